// A model for inference, as the verbs see it: numbers in, numbers out. What stands behind it, engine.cpp, is compiled
// for each model; what stands before it, once.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fauna/decode/exits.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/decode/speculate/rewind.hpp>
#include <fauna/decode/speculate/tree.hpp>
#include <fauna/io/tensor_file.hpp>

namespace fauna::inline v0 {
class Adapter;
}

namespace tool {

/// fauna::Reader of an engine's model, with hidden rows.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual int vocab() const = 0;
  virtual int context() const = 0;
  virtual const float* logits(const int* ids, int n, int wanted, int stays) = 0;
  // A reader that knows neither trees nor hidden rows has room for none.
  virtual int width() const { return 0; }
  virtual int tree_room(int) const { return 0; }
  virtual const float* tree_logits(const int*, int, fauna::DraftTree const&) { return nullptr; }
  virtual void keep(std::vector<int> const&) {}
  virtual const float* hidden(int) const { return nullptr; }
  virtual const float* head(const float*, int) { return nullptr; }
  // Nor such an one early exits, further tokens or features.
  virtual fauna::Exits exits() const { return {.why_none = "layers that nobody counts"}; }
  virtual const float* early(const int*, int, int, int) { return nullptr; }
  virtual int depths() const { return 0; }
  virtual const float* further(int, int, const float*, const int*, int) { return nullptr; }
  virtual int table_width() const { return 0; }
  virtual int layers() const { return 0; }
  virtual void remember_all(std::vector<int> const&) {}
  virtual int features() const { return 0; }
  virtual const float* feature(int) const { return nullptr; }
  virtual int known(const int*, int) const { return 0; }
  virtual const float* embed(const int*, int) { return nullptr; }
};

/// Texts on their way, each in a slot of a cache, for callers that draw the tokens themselves.
class Slots {
 public:
  virtual ~Slots() = default;
  /// fauna::speculate_step: a call of the model for all texts, text s in slot s, and next(s, logits[wanted, vocab]) for
  /// each that has been read to its end.
  virtual bool step(std::vector<fauna::Continuation>& texts, int chunk,
                    std::function<void(int, const float*)> const& next) = 0;
  /// The slot forgets its text.
  virtual void clear(int slot) = 0;
  /// Slot `to` becomes what `from` is; where slots cut, the first `rows` rows of that.
  virtual void copy(int from, int to, int rows = fauna::unbounded) = 0;
  /// fauna::Cache's: may a slot go back to any of its rows, and has it gone back?
  virtual bool cuts() const = 0;
  virtual bool cut(int slot, int rows) = 0;
  /// fauna::Slots': a slot goes back to its first `rows` rows, or fewer; the rows that it then has.
  virtual int take_back(int slot, int rows) = 0;
  // Slots that know no trees have room for none.
  virtual int tree_room(int) const { return 0; }
  virtual void keep(int, int, std::vector<int> const&) {}
  // Nor do such that know none have the model's own rows, early exits or further tokens.
  virtual int vocab() const { return 0; }
  virtual int context() const { return 0; }
  virtual int width() const { return 0; }
  virtual int table_width() const { return 0; }
  virtual int layers() const { return 0; }
  virtual void remember(std::vector<int> const&) {}
  virtual const float* hidden(int, int) const { return nullptr; }
  virtual int features() const { return 0; }
  virtual const float* feature(int, int) const { return nullptr; }
  virtual int known(int, const int*, int) const { return 0; }
  virtual const float* head(const float*, int) { return nullptr; }
  virtual const float* embed(const int*, int) { return nullptr; }
  virtual int depths() const { return 0; }
  virtual const float* further(int, int, int, const float*, const int*, int) { return nullptr; }
  virtual fauna::Exits exits() const { return {.why_none = "layers that nobody counts"}; }
  virtual const float* early(int, const int*, int, int, int) { return nullptr; }
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual int vocab() const = 0;
  virtual int context() const = 0;  ///< fauna::unbounded where the model has none of its own
  virtual int width() const = 0;    ///< of what the trunk gives for a token
  /// The weights, before anything below is called.
  /// threads: 0 for as many as the machine runs at once, which ranks on it share.
  /// `quantise`: the type that matrices become, in a program whose engine stores them in blocks; empty: as in the file.
  virtual void load(fauna::TensorFile const& from, int threads, std::string const& quantise = {}) = 0;
  /// Puts an adapter beside the weights, in a program whose model is fauna::adaptable, before anything below is called.
  /// base: the files that the weights are from. Its number; no_adapter: it can only be merged into weights.
  virtual int add(fauna::Adapter const&, fauna::TensorFile const& /*base*/) { return fauna::no_adapter; }
  /// Would `add` put it there? Asked before there are weights.
  virtual bool takes(fauna::Adapter const&, fauna::TensorFile const& /*base*/) const { return false; }
  /// fauna::Loaded's, once there are weights: what watches what is read from here on, null for nobody.
  virtual void watch(fauna::Tap<float> const*) {}
  virtual std::size_t weight_bytes() const = 0;
  /// What a text of `context` tokens takes in a cache at most.
  virtual std::size_t slot_bytes(int context) const = 0;

  /// logits[tokens, vocab], read through a cache, `chunk` tokens at once.
  virtual void logits(std::vector<int> const& ids, int chunk, float* logits) = 0;
  /// losses[rows] in nats of each target after the ids before it.
  virtual void losses(const int* ids, const int* targets, int rows, float* losses) = 0;
  /// The same after all ids of the calls before, where `fresh` does not begin a text. Of models without a context of
  /// their own, whose state has one size.
  virtual void further_losses(const int* ids, const int* targets, int rows, bool fresh, float* losses) = 0;
  /// fauna::generate_tokens.
  virtual std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const& o,
                                    std::function<bool(int)> const& see) = 0;
  /// A text of up to `context` tokens before the model, read at most `chunk` at once, with an adapter that was added,
  /// or none. It lives no longer than the weights.
  virtual std::unique_ptr<Reader> reader(int context, int chunk, int adapter = fauna::no_adapter) = 0;
  /// Room for `sequences` texts of `context` tokens, read at most `chunk` at once. It lives no longer than the weights.
  /// takes_back: fauna::Slots'.
  virtual std::unique_ptr<Slots> slots(int sequences, int context, int chunk, bool takes_back) = 0;

  /// Of those that were added, the one that all is read with where nothing else is said.
  int adapter = fauna::no_adapter;
  /// How the recurrent states of readers and slots go back that are made from now on.
  fauna::rewinds rewind = fauna::rewinds::automatic;
};

/// What the program was linked with, by the name that model.hpp gives each model. A program of a model and its draft
/// has two.
using Engines = std::map<std::string, std::unique_ptr<Engine> (*)()>;
inline Engines& engines() {
  static Engines all;
  return all;
}
/// A new engine of the model with this name; without one, of the only model.
inline std::unique_ptr<Engine> make_engine(std::string const& name = {}) {
  const auto found = name.empty() ? engines().begin() : engines().find(name);
  if (found == engines().end() || (name.empty() && engines().size() != 1))
    fauna::fail("fauna", "no engine '" + name + "' among " + std::to_string(engines().size()), "one of the program's",
                "this program is started by tools/fauna");
  return found->second();
}
/// The program's model. Where there are two, the first call says which it is.
inline Engine& engine(std::string const& name = {}) {
  static const std::unique_ptr<Engine> one = make_engine(name);
  return *one;
}

/// What fauna::generate_text calls for an engine, as it is closer than that of any model.
template <class F>
std::vector<int> generate_tokens(Engine& e, std::vector<int> const& prompt, fauna::GenerateOptions const& o, F&& see) {
  return e.generate(prompt, o, see);
}

}  // namespace tool
