// Checkpoints: everything that a run needs to go on as if it had never stopped, in one file.
//
//   bytes   8 magic | 8 version | 8 size of the file | items ... | 8 checksum of all before it
//   item    a number of 8 bytes, or a string or an array: its size in bytes (8), its bytes, zeros up to a multiple of 8
//
// Numbers are little-endian. A file grows under another name and takes its own by rename (io/file.hpp), so a crash
// while saving leaves the checkpoint before it.
#pragma once
#include <bit>
#include <cstring>
#include <limits>

#include <fauna/io/mapped.hpp>
#include <fauna/train/curve.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

static_assert(std::endian::native == std::endian::little, "fauna: checkpoints are written little-endian");

/// Four interleaved chains of multiply and rotate over 8-byte words. Each step maps words to states one to one, so a
/// change within a single word is always seen, and any other with probability 1 - 2^-64.
class Checksum {
 public:
  void add(const void* data, std::size_t words) {
    const auto* at = static_cast<const unsigned char*>(data);
    for (std::size_t i = 0; i < words; ++i, at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, 8);
      std::uint64_t& lane = lanes_[count_++ & 3U];
      lane = std::rotl((lane ^ word) * 0x9E3779B97F4A7C15ULL, 29);
    }
  }
  std::uint64_t value() const {
    std::uint64_t sum = count_;
    for (const std::uint64_t lane : lanes_) sum = std::rotl((sum ^ lane) * 0xD1B54A32D192ED03ULL, 31);
    return sum ^ (sum >> 32);
  }

 private:
  std::uint64_t lanes_[4] = {1, 2, 3, 4}, count_ = 0;
};

/// Where a run stands, before the update numbered `iteration`.
struct Progress {
  long long iteration = 0;
  double best_val = std::numeric_limits<double>::infinity();
  Key batches{}, estimates{}, dropout{};
  std::vector<LossPoint> train{}, val{};  ///< the curves so far
};

/// All of a checkpoint but its tensors' contents.
struct CheckpointHead {
  std::string config{};    ///< the model, as a line of text; may be empty
  std::string alphabet{};  ///< the characters of the vocabulary, in the order of their ids; may be empty
  std::string note{};
  std::uint64_t seed = 0;
  long long optimizer_steps = 0;
  Progress progress{};
  struct Entry {
    std::string name{};
    std::uint64_t rows = 0, cols = 0, trainable = 1;
  };
  std::vector<Entry> tensors{};
  std::uint64_t scalar_bytes = 4, has_moments = 0;
};

namespace checkpoint {

inline constexpr char magic[] = "fauna\r\n\x1a";  // as in PNG: a transfer that touches line ends shows at once
inline constexpr std::uint64_t version = 1;

/// Counts the bytes, or writes them.
class Writer {
 public:
  explicit Writer(NewFile* file = nullptr) : file_(file) {}
  void words(const void* data, std::size_t n) {
    size_ += 8 * n;
    if (file_ == nullptr) return;
    sum_.add(data, n);
    file_->write(data, 8 * n);
  }
  template <class N> void number(N n) {
    static_assert(sizeof(N) == 8);
    words(&n, 1);
  }
  void bytes(const void* data, std::size_t n) {
    number(std::uint64_t{n});
    words(data, n / 8);
    if (n % 8 == 0) return;
    char last[8] = {};
    std::memcpy(last, static_cast<const char*>(data) + n / 8 * 8, n % 8);
    words(last, 1);
  }
  std::uint64_t size() const { return size_; }
  std::uint64_t sum() const { return sum_.value(); }

 private:
  NewFile* file_;
  Checksum sum_;
  std::uint64_t size_ = 0;
};

/// Reads from a mapped file whose checksum was right; what is missing all the same is an error.
class Reader {
 public:
  Reader(const std::byte* at, std::size_t size, std::string const& path) : at_(at), end_(at + size), path_(path) {}
  template <class N> void number(N& n) {
    static_assert(sizeof(N) == 8);
    std::memcpy(&n, take(8), 8);
  }
  /// The address of an array of `size` bytes; `size` is read.
  const std::byte* bytes(std::uint64_t& size) {
    number(size);
    if (size > static_cast<std::uint64_t>(end_ - at_)) missing();
    return take((size + 7) / 8 * 8);
  }
  void string(std::string& s) {
    std::uint64_t n = 0;
    const std::byte* p = bytes(n);
    s.assign(reinterpret_cast<const char*>(p), n);
  }
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

 private:
  [[noreturn]] void missing() const { fail("checkpoint", path_ + " ends in the middle of an item", "a whole file"); }
  const std::byte* take(std::uint64_t n) {
    if (n > static_cast<std::uint64_t>(end_ - at_)) missing();
    const std::byte* p = at_;
    at_ += n;
    return p;
  }
  const std::byte *at_, *end_;
  std::string const& path_;
};

inline void write_head(Writer& w, CheckpointHead const& h) {
  const auto string = [&](std::string const& s) { w.bytes(s.data(), s.size()); };
  const auto curve = [&](std::vector<LossPoint> const& c) { w.bytes(c.data(), c.size() * sizeof(LossPoint)); };
  string(h.config);
  string(h.alphabet);
  string(h.note);
  w.number(h.seed);
  w.number(h.optimizer_steps);
  Progress const& p = h.progress;
  w.number(p.iteration);
  w.number(p.best_val);
  for (const Key key : {p.batches, p.estimates, p.dropout}) {
    w.number(key.seed);
    w.number(key.stream);
  }
  curve(p.train);
  curve(p.val);
  w.number(h.scalar_bytes);
  w.number(h.has_moments);
  w.number(std::uint64_t{h.tensors.size()});
  for (auto const& t : h.tensors) {
    string(t.name);
    w.number(t.rows);
    w.number(t.cols);
    w.number(t.trainable);
  }
}

inline CheckpointHead read_head(Reader& r) {
  CheckpointHead h;
  const auto curve = [&](std::vector<LossPoint>& c) {
    std::uint64_t n = 0;
    const std::byte* at = r.bytes(n);
    c.resize(n / sizeof(LossPoint));
    if (n > 0) std::memcpy(static_cast<void*>(c.data()), at, c.size() * sizeof(LossPoint));
  };
  r.string(h.config);
  r.string(h.alphabet);
  r.string(h.note);
  r.number(h.seed);
  r.number(h.optimizer_steps);
  Progress& p = h.progress;
  r.number(p.iteration);
  r.number(p.best_val);
  for (Key* key : {&p.batches, &p.estimates, &p.dropout}) {
    r.number(key->seed);
    r.number(key->stream);
  }
  curve(p.train);
  curve(p.val);
  r.number(h.scalar_bytes);
  r.number(h.has_moments);
  std::uint64_t n = 0;
  r.number(n);
  for (std::uint64_t i = 0; i < n; ++i) {
    CheckpointHead::Entry t;
    r.string(t.name);
    r.number(t.rows);
    r.number(t.cols);
    r.number(t.trainable);
    h.tensors.push_back(std::move(t));
  }
  return h;
}

/// Checks everything that can be wrong with a file, whatever the model, and gives a reader at its first item.
inline Reader open(Mapped const& file, std::string const& path) {
  const std::string damaged = "was it copied whole? a run keeps another in best.ckpt or last.ckpt";
  std::uint64_t head[3] = {};
  if (file.size() < 32) {
    fail("checkpoint", path + " has " + std::to_string(file.size()) + " bytes", "a checkpoint", damaged);
  }
  std::memcpy(head, file.data(), sizeof head);
  if (std::memcmp(file.data(), magic, 8) != 0) fail("checkpoint", path + " is no checkpoint of fauna");
  if (head[1] != version)
    fail("checkpoint", path + " has version " + std::to_string(head[1]), "version " + std::to_string(version));
  if (head[2] != file.size())
    fail("checkpoint", path + " has " + std::to_string(file.size()) + " bytes", std::to_string(head[2]), damaged);
  Checksum sum;
  sum.add(file.data(), file.size() / 8 - 1);
  std::uint64_t want = 0;
  std::memcpy(&want, file.data() + file.size() - 8, 8);
  if (file.size() % 8 != 0 || sum.value() != want)
    fail("checkpoint", path + " is damaged: its checksum does not match its contents", {}, damaged);
  return Reader(file.data() + 24, file.size() - 32, path);
}

template <class T> std::vector<CheckpointHead::Entry> entries(T const& model) {
  std::vector<CheckpointHead::Entry> list;
  for (auto const& p : model.parameters())
    list.push_back({p.name, static_cast<std::uint64_t>(p.rows), static_cast<std::uint64_t>(p.cols), p.trainable});
  return list;
}

/// Throws unless the file's tensors are the model's: the first difference, with both shapes.
inline void require_same(std::vector<CheckpointHead::Entry> const& file,
                         std::vector<CheckpointHead::Entry> const& model, std::string const& path) {
  const auto text = [](std::vector<CheckpointHead::Entry> const& l, std::size_t i) {
    if (i >= l.size()) return std::string("no tensor ") + std::to_string(i);
    return l[i].name + " [" + std::to_string(l[i].rows) + ", " + std::to_string(l[i].cols) + "]";
  };
  const std::size_t most = file.size() > model.size() ? file.size() : model.size();
  for (std::size_t i = 0; i < most; ++i)
    if (text(file, i) != text(model, i))
      fail("checkpoint", path + " has " + text(file, i), text(model, i), "it is the checkpoint of another model");
}

}  // namespace checkpoint

/// Writes model, optimizer and progress to `path`, whole or not at all. Config, alphabet, note and progress come from
/// `head`; the rest from the model.
template <class T> void save_checkpoint(std::string const& path, T const& model, CheckpointHead head) {
  auto const& parameters = model.parameters();
  head.seed = model.seed_value();
  head.optimizer_steps = model.steps();
  head.tensors = checkpoint::entries(model);
  head.scalar_bytes = sizeof(typename T::scalar);
  head.has_moments = !parameters.empty() && model.moment(parameters[0], 0).data() != nullptr;
  const auto write = [&](checkpoint::Writer& w, std::uint64_t size) {
    w.words(checkpoint::magic, 1);
    w.number(checkpoint::version);
    w.number(size);
    checkpoint::write_head(w, head);
    const auto tensor = [&](auto const& v) {
      const OnHost<typename T::backend, typename T::scalar> values(v.data(), v.size());
      w.bytes(values.data(), v.size() * sizeof(typename T::scalar));
    };
    for (auto const& p : parameters) tensor(model.value(p));
    for (int which = 0; which < 2 && head.has_moments; ++which)
      for (auto const& p : parameters) tensor(model.moment(p, which));
  };
  checkpoint::Writer count;
  write(count, 0);
  NewFile file(path);
  checkpoint::Writer w(&file);
  write(w, count.size() + 8);
  const std::uint64_t sum = w.sum();
  file.write(&sum, sizeof sum);
  file.commit();
}

/// What a checkpoint holds, without a model.
inline CheckpointHead read_checkpoint_head(std::string const& path) {
  const Mapped file(path);
  auto reader = checkpoint::open(file, path);
  return checkpoint::read_head(reader);
}

enum class load { weights, everything };

/// Fills the model from a file of the same model; with `everything` also moments, step count and what is frozen, which
/// need prepare_training first. Throws, and leaves the model as it was, on any file that is not whole or not its own.
template <class T> CheckpointHead load_checkpoint(std::string const& path, T& model, load what = load::everything) {
  using S = typename T::scalar;
  const Mapped file(path);
  auto reader = checkpoint::open(file, path);
  CheckpointHead head = checkpoint::read_head(reader);
  checkpoint::require_same(head.tensors, checkpoint::entries(model), path);
  if (head.scalar_bytes != sizeof(S))
    fail("checkpoint", path + " holds numbers of " + std::to_string(head.scalar_bytes) + " bytes",
         std::to_string(sizeof(S)));
  auto const& parameters = model.parameters();
  const bool all = what == load::everything;
  if (all && head.has_moments == 0)
    fail("checkpoint", path + " has no optimizer state", "a run's checkpoint", "start from its weights instead");
  if (all && model.moment(parameters[0], 0).data() == nullptr)
    fail("checkpoint", "no memory for moments", "prepare_training before a whole checkpoint");
  const int sets = all ? 3 : 1;
  std::size_t need = 0;
  for (auto const& p : parameters) need += 8 + (p.size() * sizeof(S) + 7) / 8 * 8;
  if (reader.left() != need * (head.has_moments != 0 ? 3 : 1))
    fail("checkpoint", path + " has tensors of other sizes than it says");
  for (int set = 0; set < sets; ++set)
    for (auto const& p : parameters) {
      std::uint64_t n = 0;
      const std::byte* bytes = reader.bytes(n);
      if (n != p.size() * sizeof(S)) fail("checkpoint", path + " has tensors of other sizes than it says");
      const auto to = set == 0 ? model.value(p) : model.moment(p, set - 1);
      std::vector<S> values(to.size());  // the file promises no alignment
      std::memcpy(static_cast<void*>(values.data()), bytes, n);
      memory<typename T::backend>::write(to.data(), values.data(), values.size());
    }
  if (all) {
    model.set_steps(head.optimizer_steps);
    for (auto const& t : head.tensors) model.freeze(t.name, t.trainable == 0);
  }
  return head;
}

}  // namespace fauna::inline v0
