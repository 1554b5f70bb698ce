// What requests say their texts must be, as grammars over the vocabulary. The last few are kept with their masks, for
// the next request that says the same.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fauna/text/grammar/json_schema.hpp>
#include <fauna/text/grammar/mask.hpp>
#include <fauna/text/grammar/token_texts.hpp>
#include <tools/src/serve/refusal.hpp>
#include <tools/src/serve/request.hpp>
#include <tools/src/serve/tool_calls.hpp>

namespace tool::serve {

class Grammars {
 public:
  /// Of tokens below `vocab`. The tokenizer and the ids that end a text are referred to.
  Grammars(fauna::Bpe const& tokenizer, int vocab, std::vector<int> const& stop_ids)
      : tokenizer_(tokenizer), vocab_(vocab), stop_ids_(stop_ids) {}

  /// Null where a text may be anything. Throws a Refusal on what cannot be. Any thread may, but only one at a time may
  /// use what it gets.
  std::shared_ptr<fauna::grammar::TokenGrammar> of(Shape const& shape) {
    if (shape.is == Shape::kind::any && !shape.calls.must) return {};
    const std::lock_guard lock(mutex_);
    for (Known const& k : known_)
      if (k.shape.is == shape.is && k.shape.text == shape.text && k.shape.calls == shape.calls) return k.grammar;
    try {
      auto made = std::make_shared<fauna::grammar::TokenGrammar>(read(shape), trie(), stop_ids_);
      if (made->ends(made->start()))
        throw bad_request("'" + shape.field + "' allows the empty text alone.", shape.field);
      if (known_.size() == most_known) known_.pop_front();
      known_.push_back({shape, made});
      return made;
    } catch (fauna::error const& e) {
      const std::string field = shape.is == Shape::kind::any || shape.calls.must ? "tools" : shape.field;
      throw bad_request("'" + field + "' cannot be followed: " + e.what() + '.', field);
    }
  }

 private:
  static constexpr std::size_t most_known = 16;
  struct Known {
    Shape shape;
    std::shared_ptr<fauna::grammar::TokenGrammar> grammar;
  };

  static fauna::grammar::Grammar read(Shape const& shape) {
    if (shape.calls.must) return grammar_of(shape.calls);
    if (shape.calls.of.empty()) return form_of(shape);
    fauna::grammar::Grammar both{{fauna::grammar::Expression{}}};
    std::vector<fauna::grammar::Expression> either{fauna::grammar::append(both, form_of(shape)),
                                                   fauna::grammar::append(both, grammar_of(shape.calls))};
    both.rules[0] = fauna::grammar::choice(std::move(either));
    return both;
  }
  static fauna::grammar::Grammar form_of(Shape const& shape) {
    if (shape.is == Shape::kind::object) return fauna::grammar::json_object();
    if (shape.is == Shape::kind::schema) return fauna::grammar::json_schema(shape.text);
    return {{fauna::grammar::regex(shape.text)}};
  }
  fauna::grammar::TokenTrie const& trie() {
    if (!trie_) trie_.emplace(fauna::grammar::token_texts(tokenizer_, vocab_, stop_ids_));
    return *trie_;
  }

  fauna::Bpe const& tokenizer_;
  int vocab_;
  std::vector<int> const& stop_ids_;
  std::mutex mutex_;
  std::optional<fauna::grammar::TokenTrie> trie_;  ///< since the first grammar
  std::deque<Known> known_;
};

}  // namespace tool::serve
