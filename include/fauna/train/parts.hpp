// Checkpoints in parts: files of what each rank keeps, and a checkpoint without tensors (checkpoint.hpp), the manifest,
// that knows them.
//   a part          NAME, optimizer.exp_avg.NAME, optimizer.exp_avg_sq.NAME [n]: elements of a tensor, in the order in
//                   which the model has them; in the metadata, "fauna.at.NAME": "ROWS COLS FIRST", the whole tensor's
//                   shape and which of its elements is the first of them
//   the manifest    in the metadata, "fauna.parts": a line "FILE CHECKSUM" for each part, from the manifest's folder
// A part may hold any elements, so that any number of ranks reads what any other has written.
#pragma once
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/io/mapped.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// Four interleaved chains of multiply and rotate over 8-byte words. Each step maps words to states one to one, so a
/// change within a single word is always seen, and any other with probability 1 - 2^-64.
class Checksum {
 public:
  /// The last bytes, where they fill no word, are followed by zeros.
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (; bytes >= 8; bytes -= 8, at += 8) add_word(at, 8);
    if (bytes > 0) add_word(at, bytes);
  }
  std::uint64_t value() const {
    std::uint64_t sum = count_;
    for (const std::uint64_t lane : lanes_) sum = std::rotl((sum ^ lane) * 0xD1B54A32D192ED03ULL, 31);
    return sum ^ sum >> 32;
  }
  /// 16 hexadecimal digits.
  std::string text() const {
    const std::uint64_t sum = value();
    std::string digits;
    for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[sum >> shift & 15U];
    return digits;
  }

 private:
  void add_word(const unsigned char* at, std::size_t bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, bytes);
    std::uint64_t& lane = lanes_[count_++ & 3U];
    lane = std::rotl((lane ^ word) * 0x9E3779B97F4A7C15ULL, 29);
  }
  std::uint64_t lanes_[4] = {1, 2, 3, 4}, count_ = 0;
};

namespace checkpoint {

inline constexpr const char* moment_prefix[] = {"optimizer.exp_avg.", "optimizer.exp_avg_sq."};
inline constexpr char parts_key[] = "fauna.parts";
inline constexpr std::string_view at_key = "fauna.at.";

/// Does a checkpoint of M hold a tensor? The base of an adapter lies elsewhere.
template <class M> bool holds(std::string const& tensor) {
  if constexpr (requires { M::rewriting::keeps(tensor); }) return M::rewriting::keeps(tensor);
  else if constexpr (requires { typename M::original; }) return holds<typename M::original>(tensor);
  else return true;
}

/// Lines that know parts below `folder`, for a manifest beside it.
inline std::string from_beside(std::string_view lines, std::string const& folder) {
  std::string all;
  for (std::size_t at = 0, end = 0; at < lines.size(); at = end + 1) {
    end = lines.find('\n', at);
    all += folder + '/' + std::string(lines.substr(at, end + 1 - at));
  }
  return all;
}

inline std::uint64_t checksum_of(const void* data, std::size_t bytes) {
  Checksum sum;
  sum.add(data, bytes);
  return sum.value();
}
inline std::uint64_t file_checksum(std::string const& path) {
  const Mapped bytes(path);
  return checksum_of(bytes.data(), bytes.size());
}

/// What is in the file of a part.
struct Part {
  std::vector<SafeTensor> tensors{};  ///< that lie in the model
  SafeTensors::Metadata metadata{};
};
/// Values and moments of these elements of the gradients' array; the moments are those that the model keeps.
template <class T> Part part_of(T const& model, std::vector<ElementRange> const& own) {
  using S = typename T::scalar;
  static_assert(!memory<typename T::backend>::remote, "fauna: parts are written from the host's memory");
  Part part;
  for (Parameter const& p : model.parameters())
    for (ElementRange const& r : own) {
      const std::size_t end = p.place + p.size(), from = p.place > r.from ? p.place : r.from,
                        to = end < r.to ? end : r.to;
      if (from >= to || !holds<typename T::model>(p.name)) continue;
      const auto add = [&](std::string name, const S* data) {
        part.tensors.push_back({std::move(name),
                                float_dtype<S>,
                                {to - from},
                                reinterpret_cast<const std::byte*>(data),
                                (to - from) * sizeof(S)});
      };
      add(p.name, model.value(p).data() + (from - p.place));
      for (int which = 0; which < 2; ++which)
        if (const S* m = model.moment_at(from, which)) add(moment_prefix[which] + p.name, m);
      part.metadata.emplace_back(std::string(at_key) + p.name, number_text::of(p.rows) + ' ' + number_text::of(p.cols) +
                                                                   ' ' + number_text::of(from - p.place));
    }
  return part;
}

/// Fills the model from the parts that a manifest knows, moments too where they are wanted. Throws, and leaves the
/// model as it was, unless all of them are whole and are all of the model.
template <class T> void read_parts(std::string const& manifest, std::string_view lines, T& model, bool moments) {
  using S = typename T::scalar;
  const std::size_t slash = manifest.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : manifest.substr(0, slash + 1);
  std::vector<SafeTensors> files;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(line.size() < lines.size() ? line.size() + 1 : line.size());
    const std::size_t space = line.rfind(' ');
    std::uint64_t sum = 0;
    const std::string path = folder + std::string(line.substr(0, space));
    if (space == line.npos || !number_text::parse(std::string(line.substr(space + 1)), sum))
      fail("checkpoint", manifest + " has a part '" + std::string(line) + '\'', "FILE CHECKSUM");
    if (!exists(path)) fail("checkpoint", "there is no file " + path, "the part that " + manifest + " knows");
    if (file_checksum(path) != sum) fail("checkpoint", path + " is damaged: its checksum is not that in " + manifest);
    files.emplace_back(path);
  }
  for (const bool fills : {false, true}) {
    std::vector<std::size_t> found(model.parameters().size());
    std::vector<std::vector<std::pair<std::size_t, std::size_t>>> slices(found.size());
    std::vector<S> room;
    for (SafeTensors const& file : files)
      for (auto const& [key, value] : file.metadata()) {
        if (key.compare(0, at_key.size(), at_key) != 0) continue;
        const std::string name = key.substr(at_key.size());
        Parameter const& p = model.parameter(name);
        const std::size_t first = value.rfind(' ') + 1;
        std::size_t at = 0;
        SafeTensor const* const t = file.find(name);
        if (value.substr(0, first) != number_text::of(p.rows) + ' ' + number_text::of(p.cols) + ' ' ||
            !number_text::parse(value.substr(first), at) || t == nullptr || at > p.size() ||
            t->elements() > p.size() - at)
          fail("checkpoint", file.path() + " has " + name + " at '" + value + '\'',
               '[' + std::to_string(p.rows) + ", " + std::to_string(p.cols) + ']',
               "it is the checkpoint of another model");
        const auto which_one = static_cast<std::size_t>(&p - model.parameters().data());
        for (auto const& [from, to] : slices[which_one])
          if (at < to && from < at + t->elements())
            fail("checkpoint", file.path() + " has elements of " + name + " that another part has", "each once");
        slices[which_one].emplace_back(at, at + t->elements());
        found[which_one] += t->elements();
        const auto take = [&](std::string const& of, Matrix<S> to) {
          SafeTensor const* const from = file.find(of);
          if (from == nullptr || from->elements() != t->elements() || to.data() == nullptr)
            fail("checkpoint", file.path() + " has no " + of + ", or no place for it", t->text());
          if (!fills) return;
          room.resize(t->elements());
          read_floats(*from, 0, room.size(), room.data());
          memory<typename T::backend>::write(to.data() + at, room.data(), room.size());
        };
        take(name, model.value(p));
        for (int which = 0; which < 2 && moments; ++which) take(moment_prefix[which] + name, model.moment(p, which));
      }
    for (std::size_t i = 0; i < found.size(); ++i)
      if (Parameter const& p = model.parameters()[i]; holds<typename T::model>(p.name) && found[i] != p.size())
        fail("checkpoint", manifest + " has " + std::to_string(found[i]) + " elements of " + p.name,
             std::to_string(p.size()), "it is the checkpoint of another model");
  }
}

}  // namespace checkpoint

}  // namespace fauna::inline v0
