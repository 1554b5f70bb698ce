// Several examples in one sequence, each a document of its own: attention, states and positions begin anew where one
// begins (Batch::document_start), so that losses are those of the examples apart, and few rows only fill up.
#pragma once
#include <string>
#include <vector>

#include <fauna/text/tokens.hpp>

namespace fauna::inline v0 {

/// Both parts of a split, each packed for itself by best fit, the longest examples first. Of an example what comes
/// after its last target is left out: nobody learns from it.
class PackedExamples {
 public:
  /// `apart`: parts in examples (Tokens::in_examples). `length`: tokens of a sequence, one more than a model reads.
  /// Throws on an example that is longer.
  PackedExamples(Split const& apart, int length)
      : length_(length),
        train_(pack(apart.train, length)),
        val_(pack(apart.val, length)),
        vocab_(apart.train.vocab()) {}

  int length() const { return length_; }
  /// Views, which this must outlive.
  Split split() const { return {view(train_, "train"), view(val_, "val")}; }

 private:
  struct Part {
    std::vector<int> ids, starts;
  };

  static Part pack(Tokens t, int length) {
    const auto room_of_all = static_cast<std::size_t>(length);
    const std::size_t each = t.example(), count = each > 0 ? t.size() / each : 0;
    std::vector<std::vector<std::size_t>> of_size(room_of_all + 1);    // examples, by their tokens
    std::vector<std::vector<std::size_t>> with_room(room_of_all + 1);  // sequences, by the tokens that they lack
    for (std::size_t e = 0; e < count; ++e) {
      std::size_t size = each;
      while (size > 0 && t[e * each + size - 1] < 0) --size;
      if (size > room_of_all)
        fail("text", "an example of " + std::to_string(size) + " tokens",
             "at most " + std::to_string(length) + " to pack");
      of_size[size].push_back(e);
    }
    Part p;
    for (std::size_t size = room_of_all; size > 1; --size)  // of one token nothing is a target
      for (const std::size_t e : of_size[size]) {
        std::size_t room = size;
        while (room <= room_of_all && with_room[room].empty()) ++room;
        std::size_t sequence = p.ids.size() / room_of_all;
        if (room > room_of_all) {
          room = room_of_all;
          p.ids.resize(p.ids.size() + room_of_all, ~0);
          p.starts.resize(p.ids.size());
        } else {
          sequence = with_room[room].back();
          with_room[room].pop_back();
        }
        with_room[room - size].push_back(sequence);
        const std::size_t begin = room_of_all - room, at = sequence * room_of_all + begin;
        for (std::size_t i = 0; i < size; ++i) p.ids[at + i] = t[e * each + i];
        if (p.ids[at] >= 0) p.ids[at] = ~p.ids[at];  // no target of the example before
        for (std::size_t i = 0; i < room; ++i) p.starts[at + i] = static_cast<int>(begin);
      }
    return p;
  }
  Tokens view(Part const& p, const char* name) const {
    return Tokens(p.ids.data(), p.ids.size(), vocab_, name).in_examples(length_).in_documents(p.starts.data());
  }

  int length_;
  Part train_, val_;
  int vocab_;
};

}  // namespace fauna::inline v0
