// Checkpoints: everything that a run needs to go on as if it had never stopped, in one safetensors file.
//
//   NAME                        the weights: names, shapes and layouts are the reference checkpoint's, so that the file
//                               is a model.safetensors for load_weights as for others
//   optimizer.exp_avg.NAME      AdamW's moments: running means of the gradient, which is Muon's momentum as well,
//   optimizer.exp_avg_sq.NAME   and of its square; zeros of what Muon updates
//   loss.train, loss.val        F64 [points, 2]: the curves so far, a step and its loss in each row
//   __metadata__                "format": "pt", and the rest of CheckpointHead under names that begin with "fauna."
//
// The first of the metadata is the checksum: of the whole file, as it is while the checksum's own digits are zeros. A
// file grows under another name and takes its own by rename (io/file.hpp), so a crash while saving leaves the
// checkpoint before it. Several ranks may write the tensors in parts (parts.hpp).
#pragma once
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/number_text.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/io/open_tensors.hpp>
#include <fauna/train/curve.hpp>
#include <fauna/train/parts.hpp>
#include <fauna/train/trained.hpp>

namespace fauna::inline v0 {

/// Where a run stands, before the update numbered `iteration`.
struct Progress {
  long long iteration = 0;
  double best_val = std::numeric_limits<double>::infinity();
  Key batches{}, estimates{}, dropout{};
  std::vector<LossPoint> train{}, val{};  ///< the curves so far
};

/// All of a checkpoint but its weights and moments.
struct CheckpointHead {
  std::string config{};     ///< the model, as a line of text; may be empty
  std::string alphabet{};   ///< the characters of the vocabulary, in the order of their ids; may be empty
  std::string tokenizer{};  ///< a hash of the tokenizer, where it is no alphabet; may be empty
  std::string note{};
  std::string data{};               ///< a hash of the text; may be empty
  std::string run{};                ///< tells a run from others; the same in all of its checkpoints
  std::string optimizer = "adamw";  ///< or muon
  std::string frozen{};             ///< the names of the tensors that are not trained, a line each
  std::uint64_t seed = 0;
  long long optimizer_steps = 0;
  Progress progress{};
};

namespace checkpoint {

inline constexpr char version[] = "2";
inline constexpr std::string_view start = R"({"__metadata__":{"fauna.checksum":")";  // from byte 8 on; then the digits
inline constexpr std::size_t digits = 16;

/// Calls f(key, value) for all that is kept as text.
template <class Head, class F> void each_text(Head& h, F&& f) {
  const auto key = [&f](std::string const& name, auto& k) {
    f(name + "_seed", k.seed);
    f(name + "_stream", k.stream);
  };
  f("fauna.config", h.config);
  f("fauna.alphabet", h.alphabet);
  f("fauna.tokenizer", h.tokenizer);
  f("fauna.note", h.note);
  f("fauna.data", h.data);
  f("fauna.run", h.run);
  f("fauna.optimizer", h.optimizer);
  f("fauna.frozen", h.frozen);
  f("fauna.seed", h.seed);
  f("fauna.optimizer_steps", h.optimizer_steps);
  f("fauna.iteration", h.progress.iteration);
  f("fauna.best_val", h.progress.best_val);
  key("fauna.batches", h.progress.batches);
  key("fauna.estimates", h.progress.estimates);
  key("fauna.dropout", h.progress.dropout);
}

inline std::string to_text(std::string const& s) { return s; }
template <class N> std::string to_text(N n) { return number_text::of(n); }
inline bool parse(std::string const& s, std::string& to) {
  to = s;
  return true;
}
template <class N> bool parse(std::string const& s, N& to) { return number_text::parse(s, to); }

/// Weights and, where the model has them, moments.
template <class T> std::vector<weights_detail::Stored> tensors_of(T const& model) {
  weights_detail::Gathered tensors;
  std::size_t i = 0;
  T::model::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
    Parameter const& p = model.parameters()[i++];
    if (!holds<typename T::model>(p.name)) return;
    if constexpr (requires { tensors.add(t, v); }) tensors.add(t, v);
    else fail("checkpoint", p.name + ", which is not stored in rows of numbers", "no part of checkpoints");
    for (int which = 0; which < 2; ++which)
      if (const auto m = model.moment(p, which)) tensors.add(t, m, moment_prefix[which]);
  });
  return static_cast<std::vector<weights_detail::Stored>&&>(tensors.all);
}

inline weights_detail::Stored curve(std::string name, std::vector<LossPoint> const& points) {
  weights_detail::Stored s;  // as it lies in memory: LossPoint is a step and a loss
  s.name = static_cast<std::string&&>(name);
  s.dtype = "F64";
  s.shape = {points.size(), 2};
  s.data = reinterpret_cast<const std::byte*>(points.data());
  s.bytes = points.size() * sizeof(LossPoint);
  return s;
}
inline void read_curve(SafeTensors const& file, std::string const& name, std::vector<LossPoint>& points) {
  const SafeTensor* t = file.find(name);
  if (t == nullptr || t->dtype != "F64" || t->shape.size() != 2 || t->shape[1] != 2)
    fail("checkpoint", file.path() + " has no " + name, "F64 [points, 2]");
  points.resize(t->shape[0]);
  if (t->bytes > 0) std::memcpy(static_cast<void*>(points.data()), t->data, t->bytes);
}

/// Checks everything that can be wrong with a file, whatever the model.
inline SafeTensors open(std::string const& path) {
  const std::string damaged = "was it copied whole? a run keeps another in best.safetensors or last.safetensors";
  const Mapped bytes(path);
  if (bytes.size() < 8 + start.size() + digits)
    fail("checkpoint", path + " has " + std::to_string(bytes.size()) + " bytes", "a checkpoint", damaged);
  if (bytes.text().substr(8, start.size()) != start) fail("checkpoint", path + " is no checkpoint of fauna");
  SafeTensors file(path);
  for (auto const& [key, value] : file.metadata())
    if (key == "fauna.version" && value != version)
      fail("checkpoint", path + " has version " + value, std::string("version ") + version);
  std::uint64_t size = 0;
  std::memcpy(&size, bytes.data(), 8);
  std::string header(bytes.text().substr(0, 8 + static_cast<std::size_t>(size)));
  header.replace(8 + start.size(), digits, digits, '0');
  Checksum sum;
  sum.add(header.data(), header.size());
  for (auto const& t : file.tensors()) sum.add(t.data, t.bytes);
  if (bytes.text().substr(8 + start.size(), digits) != sum.text())
    fail("checkpoint", path + " is damaged: its checksum does not match its contents", {}, damaged);
  return file;
}

inline CheckpointHead read_head(SafeTensors const& file) {
  CheckpointHead h;
  each_text(h, [&file](std::string const& key, auto& to) {
    for (auto const& [name, value] : file.metadata())
      if (name == key && parse(value, to)) return;
    if (key == "fauna.data" || key == "fauna.run" || key == "fauna.tokenizer" || key == "fauna.optimizer")
      return;  // files that are older than these
    fail("checkpoint", file.path() + " has no " + key + ", or one that cannot be read");
  });
  read_curve(file, "loss.train", h.progress.train);
  read_curve(file, "loss.val", h.progress.val);
  return h;
}

/// Are two checkpoints of one run?
inline bool same_run(CheckpointHead const& a, CheckpointHead const& b) {
  return a.run == b.run && a.seed == b.seed && a.alphabet == b.alphabet;
}

/// The checkpoints in a folder that are not of the run which goes on from `resumed`; of any run, where that is null.
inline std::vector<std::string> of_others(std::string const& folder, const CheckpointHead* resumed) {
  std::vector<std::string> all;
  for (const char* name : {"/last.safetensors", "/best.safetensors"})
    if (const std::string path = folder + name;
        exists(path) && (resumed == nullptr || !same_run(read_head(SafeTensors(path)), *resumed)))
      all.push_back(path);
  return all;
}
/// A folder holds one run: throws where it holds another.
inline void require_own_folder(std::string const& folder, const CheckpointHead* resumed) {
  if (const auto others = of_others(folder, resumed); !others.empty())
    fail("train", others[0] + " is of another run", "a folder without one",
         resumed != nullptr ? "give a new one; overwrite removes what that run left there"
                            : "give a new one; overwrite removes what that run left there, resume goes on with it");
}
/// Removes what other runs left.
inline void take_folder(std::string const& folder, const CheckpointHead* resumed) {
  const auto others = of_others(folder, resumed);
  for (std::string const& path : others) ::unlink(path.c_str());
  for (const char* name : {"/loss.svg", "/loss.txt", "/summary.json", "/run.toml", "/tokenizer.json", "/trace.json"})
    if (!others.empty()) ::unlink((folder + name).c_str());
}

/// Throws where a run would go on with another text than it began with. `data`: that text's hash.
inline void require_data(std::string const& path, CheckpointHead const& head, std::string const& data) {
  if (!head.data.empty() && !data.empty() && head.data != data)
    fail("train", path + " is of a text with the hash " + head.data, "this text's " + data,
         "a run goes on with the text that it began with; a new run may start from its weights");
}

/// The lines that know a manifest's parts; empty for a checkpoint in one file.
inline std::string parts_of(SafeTensors const& file) {
  for (auto const& [key, value] : file.metadata())
    if (key == parts_key) return value;
  return {};
}

/// Throws for a manifest, where tensors are wanted.
inline void require_tensors(SafeTensors const& file) {
  if (!parts_of(file).empty())
    fail("checkpoint", file.path() + " has its tensors in parts, as ranks wrote them", "one file",
         "--init-from resume without --keep-checkpoints writes one when the run ends");
}

/// Step count and what is frozen, as a checkpoint has them.
template <class T> void go_on(CheckpointHead const& head, T& model) {
  model.set_steps(head.optimizer_steps);
  // The names stand in the order of the model's tensors.
  std::string_view frozen = head.frozen;
  model.train_only([&frozen](Parameter const& p) {
    const std::size_t end = frozen.find('\n');
    if (frozen.substr(0, end) != p.name) return true;
    frozen.remove_prefix(end == frozen.npos ? frozen.size() : end + 1);
    return false;
  });
}

/// Throws unless the file has weights and moments as the model has them: the first difference, with both shapes.
template <class T> void require_same(SafeTensors const& file, T const& model) {
  bool moments = false;
  for (auto const& t : file.tensors()) moments = moments || matches("optimizer.*", t.name);
  if (!moments)
    fail("checkpoint", file.path() + " has no optimizer state", "a run's checkpoint", "start from its weights instead");
  if (model.moment(model.parameters()[0], 0).data() == nullptr)
    fail("checkpoint", "no memory for moments", "prepare_training before a whole checkpoint");
  for (auto const& want : tensors_of(model)) {
    const SafeTensor* t = file.find(want.name);
    if (t == nullptr || t->text() != want.text())
      fail("checkpoint", file.path() + " has " + (t ? want.name + ' ' + t->text() : "no " + want.name),
           want.name + ' ' + want.text(), "it is the checkpoint of another model");
  }
}

}  // namespace checkpoint

namespace checkpoint {

/// `head` with what the model knows.
template <class T> CheckpointHead head_of(T const& model, CheckpointHead head) {
  head.seed = model.seed_value();
  head.optimizer_steps = model.steps();
  head.frozen.clear();
  for (auto const& p : model.parameters())
    if (!p.trainable) head.frozen += p.name + '\n';
  return head;
}

/// f(tensors, metadata) of a checkpoint with this head, the curves among the tensors. bytes(t): of a tensor, in the
/// file's order.
template <class Bytes, class F>
auto lay_out(std::string const& path, CheckpointHead const& head, std::vector<weights_detail::Stored> tensors,
             std::string const& parts, Bytes&& bytes, F&& f) {
  tensors.push_back(curve("loss.train", head.progress.train));
  tensors.push_back(curve("loss.val", head.progress.val));
  SafeTensors::Metadata metadata{
      {"fauna.checksum", std::string(digits, '0')}, {"fauna.version", version}, {"format", "pt"}};
  each_text(head, [&](std::string const& key, auto& value) { metadata.emplace_back(key, to_text(value)); });
  if (!parts.empty()) metadata.emplace_back(parts_key, parts);
  Checksum sum;
  const std::string header = safetensors_header(path, tensors, metadata);
  sum.add(header.data(), header.size());
  for (auto const& t : tensors) sum.add(bytes(t), t.bytes);
  metadata[0].second = sum.text();
  return f(tensors, metadata);
}
/// The same for a model, and f(tensors, metadata, bytes).
template <class T, class F> auto lay_out(std::string const& path, T const& model, CheckpointHead const& head, F&& f) {
  using B = typename T::backend;
  using S = typename T::scalar;
  std::vector<S> host, room;
  const auto bytes = [&](weights_detail::Stored const& t) -> const void* {
    if (t.parts.empty()) return t.data;  // a curve
    return t.template in_file_order<S>(
        [&](const S* values, std::size_t n) {
          if constexpr (memory<B>::remote) {
            host.resize(n);
            memory<B>::read(host.data(), values, n);
            values = host.data();
          }
          return values;
        },
        room);
  };
  const CheckpointHead full = head_of(model, head);
  return lay_out(path, full, tensors_of(model), {}, bytes,
                 [&](auto const& tensors, auto const& metadata) { return f(tensors, metadata, bytes); });
}

/// Writes a checkpoint whose tensors are in parts, which the lines know (parts.hpp). head: head_of their model.
inline void write_manifest(std::string const& path, CheckpointHead const& head, std::string const& lines) {
  const auto bytes = [](weights_detail::Stored const& t) { return t.data; };
  lay_out(path, head, {}, lines, bytes,
          [&](auto const& tensors, auto const& metadata) { write_safetensors(path, tensors, metadata, bytes); });
}

}  // namespace checkpoint

/// Writes model, optimizer and progress to `path`, whole or not at all. Config, alphabet, note and progress come from
/// `head`; the rest from the model.
template <class T> void save_checkpoint(std::string const& path, T const& model, CheckpointHead const& head) {
  checkpoint::lay_out(path, model, head, [&path](auto const& tensors, auto const& metadata, auto const& bytes) {
    write_safetensors(path, tensors, metadata, bytes);
  });
}
/// The bytes that save_checkpoint would write: a copy of all that a run goes on to change. `path` is for errors.
template <class T> std::string checkpoint_bytes(std::string const& path, T const& model, CheckpointHead const& head) {
  return checkpoint::lay_out(path, model, head, [&path](auto const& tensors, auto const& metadata, auto const& bytes) {
    return safetensors_bytes(path, tensors, metadata, bytes);
  });
}

/// Does the file begin as a checkpoint does? Not every file of weights is one, and no folder of them.
inline bool is_checkpoint(std::string const& path) {
  if (is_directory(path)) return false;
  const Mapped file(path);
  return file.size() > 8 && file.text().substr(8, checkpoint::start.size()) == checkpoint::start;
}

/// What a checkpoint holds, without a model.
inline CheckpointHead read_checkpoint_head(std::string const& path) {
  return checkpoint::read_head(checkpoint::open(path));
}

enum class load { weights, everything };

/// Fills the model from a file of the same model; with `everything` also moments, step count and what is frozen, which
/// need prepare_training first. For `weights` any safetensors of the model's will do; one that is no checkpoint has an
/// empty head. Throws, and leaves the model as it was, on any file that is not whole or not its own.
template <class T> CheckpointHead load_checkpoint(std::string const& path, T& model, load what = load::everything) {
  using M = typename T::model;
  const typename T::backend b{};
  const bool all = what == load::everything;
  if (!all && !is_checkpoint(path)) {
    load_weights<M>(b, model.weights(), open_tensors(path));
    return {};
  }
  const SafeTensors file = checkpoint::open(path);
  CheckpointHead head = checkpoint::read_head(file);
  const std::string parts = checkpoint::parts_of(file);
  if (!parts.empty()) {
    checkpoint::read_parts(path, parts, model, all);
    if (all) checkpoint::go_on(head, model);
    return head;
  }
  if (all) checkpoint::require_same(file, model);
  bool whole = true;
  for (Parameter const& p : model.parameters()) whole = whole && checkpoint::holds<M>(p.name);
  load_weights<M>(b, model.weights(), file, {.partial = all && !whole});
  if (!all) return head;
  std::size_t i = 0;
  M::visit(model.weights(), Place{}, [&](Tensor const& t, auto&) {
    Parameter const& p = model.parameters()[i++];
    if (!checkpoint::holds<M>(p.name)) return;
    const std::vector<Piece> pieces = pieces_of(t);
    for (int which = 0; which < 2; ++which) {
      std::vector<const SafeTensor*> found;
      found.reserve(pieces.size());
      for (auto const& piece : pieces) found.push_back(file.find(checkpoint::moment_prefix[which] + piece.name));
      auto m = model.moment(p, which);
      weights_detail::fill_from(b, t, pieces, found, m);
    }
  });
  checkpoint::go_on(head, model);
  return head;
}

}  // namespace fauna::inline v0
