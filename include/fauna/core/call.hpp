// What a call knows and no type can: which rows, which mode, which random numbers, where in the model, and what crosses
// layers. Passed down by value; combinators hand each child its own.
#pragma once
#include <type_traits>

#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/exchange.hpp>
#include <fauna/core/label.hpp>
#include <fauna/core/later.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/core/side.hpp>

namespace fauna::inline v0 {

/// train keeps what backward needs; eval keeps nothing and drops nothing; recompute runs a forward pass again inside a
/// backward pass: same dropout, no metric counted twice.
enum class mode : int { train, eval, recompute };

/// The shape that memory is planned for.
struct Shape {
  int sequences = 1;
  int length = 1;  ///< rows of the longest sequence
  int threads = 1;
  int total = 0;    ///< rows in all when sequences are ragged; 0: sequences x length
  int context = 0;  ///< rows of a sequence that a state must hold when it grows with them; 0: such a state is not kept
  bool backward = true;  ///< is there a backward pass?
  int adapter_rank = 0;  ///< the largest rank of the adapters that stand beside weights (blocks/adapted.hpp)
  constexpr int rows() const { return total > 0 ? total : sequences * length; }
  /// Rows of the longest sequence, with those in its state.
  constexpr int longest() const { return context > length ? context : length; }
};

/// What a block reads and what it writes: rows of Width numbers of a call C.
template <class C, int Width> using In = View<const typename C::scalar, dyn, Width>;
template <class C, int Width> using Out = View<typename C::scalar, dyn, Width>;

/// Where a result goes: overwrite (no base), or base + result, with the sum started from base. With base == the output
/// itself it accumulates. Only blocks that say `adds_y` or `adds_dx` are given a base.
template <class S> struct Into {
  const S* base = nullptr;
  int stride = 0;
  template <int Width> constexpr View<const S, dyn, Width> view(int rows) const {
    return View<const S, dyn, Width>(base, rows, Width, stride);
  }
};

/// Watches a pass at its labelled blocks. What is null is not called.
template <class S> struct Tap {
  /// Sees every block's output (forward) and the gradient of that output (backward).
  void (*see)(void* user, Path const& name, bool gradient, Matrix<const S> values) = nullptr;
  void* user = nullptr;
  /// Called before and after every block, forward and backward.
  void (*span)(void* user, Path const& name, bool gradient, bool before) = nullptr;

  void show(Path const& name, bool gradient, Matrix<const S> values) const {
    if (see != nullptr) see(user, name, gradient, values);
  }
};

/// The ranks that run one model together, as its blocks know them: sums and maxima of what each has in x [n], which all
/// get, with the same bits; and an exchange, as a communicator has it (dist/communicator.hpp).
template <class S> struct Group {
  int rank = 0, size = 1;
  void (*sum)(void* user, S* x, std::size_t n) = nullptr;
  void (*most)(void* user, S* x, std::size_t n) = nullptr;
  void (*move)(void* user, const Outgoing* to, const Incoming* from) = nullptr;
  void* user = nullptr;
  /// The ranks that each have some rows of a batch, where means are over all of theirs; null: all rows are here.
  Group const* batch = nullptr;
  /// The rows of all ranks, in their order, where each has as many as the others (blocks/sequence_parallel.hpp); null:
  /// all have all rows.
  Batch const* whole = nullptr;
  void exchange(const Outgoing* to, const Incoming* from) const { move(user, to, from); }
};

/// Which rounds of the outermost Stack a call runs, and who hears of its layers: for early exits, stages of a pipeline,
/// weights that are gathered just in time. Activations that only the rounds left out would keep are not touched.
struct Rounds {
  int from = 0, to = -1;                       ///< [from, to); to -1: up to the last
  const unsigned char* passed_over = nullptr;  ///< [layers]: not 0: of the same width, gives on what it is given
  /// Called before and after each layer, by its flat index, forward and backward.
  void (*announce)(void* user, int layer, bool backward, bool before) = nullptr;
  void (*between)(void* user) = nullptr;  ///< called before and after every labelled block: for what moves when asked
  void* user = nullptr;
};

/// What stands beside weights for some sequences of a call (blocks/adapted.hpp).
template <class B> class AdapterTable;

/// Named values that cross layers, with their gradients: shared weights and carried streams. A list of frames on the
/// stack; an inner frame hides an outer one of the same name.
struct NoEnv {};
template <label Name, class Value, class Gradient, class Outer> struct Env {
  Value const* value = nullptr;
  Gradient* gradient = nullptr;  ///< null in inference
  Outer const* outer = nullptr;
};
template <label Name, class E> struct env_find_ {
  static constexpr E const& in(E const& e) {
    static_assert(always_false<E>, "fauna: no shared block or carried stream of this name in scope (see Name)");
    return e;
  }
};
template <label Name, class V, class G, class O> struct env_find_<Name, Env<Name, V, G, O>> {
  static constexpr auto const& in(Env<Name, V, G, O> const& e) { return e; }
};
template <label Name, label Other, class V, class G, class O>
requires(!(Name == Other)) struct env_find_<Name, Env<Other, V, G, O>> {
  static constexpr auto const& in(Env<Other, V, G, O> const& e) { return env_find_<Name, O>::in(*e.outer); }
};

/// The part of a call that does not depend on what is in scope.
template <class B> struct CallState {
  using scalar = typename B::scalar;

  B backend{};
  Batch const* batch = nullptr;
  SideLosses<scalar>* side = nullptr;  ///< null: side losses are left out
  Tap<scalar> const* tap = nullptr;
  Rounds const* rounds = nullptr;             ///< null: all
  Rounds const* asked = nullptr;              ///< whose `between` is called; null: nobody's
  Group<scalar> const* group = nullptr;       ///< null: a model that is whole
  AdapterTable<B> const* adapters = nullptr;  ///< null: none
  LaterProducts<scalar>* later = nullptr;     ///< of weights' gradients, in backward on the host; null: made at once
  Path path{};
  Key key{};
  int layer = 0;
  fauna::mode mode = fauna::mode::eval;
  Into<scalar> into{};
  double loss_scale = 1;

  constexpr Arena& scratch() const { return *backend.scratch; }
  /// Do the backend's tensors lie where the host cannot reach them?
  static constexpr bool remote = requires(B b) { b.host_scratch; };
  /// Is `later` given what the host can copy?
  constexpr bool puts_off() const { return !remote && later != nullptr; }
  /// Scratch that the host itself writes, where the backend's tensors lie elsewhere.
  constexpr Arena& host_scratch() const {
    if constexpr (remote) return *backend.host_scratch;
    else return scratch();
  }
  constexpr int rows() const { return batch->rows; }
  /// The ranks that have the rest of the batch, or null.
  constexpr Group<scalar> const* ranks_of_batch() const { return group == nullptr ? nullptr : group->batch; }
  /// This block's side loss of that name, in forward and backward alike; its weight where nobody set another.
  SideLoss<scalar> side_loss(const char* name, double usual_weight) const {
    if (side == nullptr || mode == fauna::mode::eval) return {};
    SideLoss<scalar> s = side->at(path, name, usual_weight);
    if (mode == fauna::mode::recompute) s.value = nullptr;
    return s;
  }
  /// Where a number goes that a training run shows beside its side losses, or null; in forward alone.
  scalar* shown(const char* name) const {
    return side == nullptr || mode != fauna::mode::train ? nullptr : side->at(path, name, 0, false).value;
  }
  /// Are activations kept for a backward pass?
  constexpr bool keeps() const { return mode != fauna::mode::eval; }
};

template <class B, class E = NoEnv> struct Call : CallState<B> {
  using backend_type = B;
  E const* env = nullptr;

  /// The call of child i: its own random numbers.
  constexpr Call child(std::size_t i) const {
    Call c = *this;
    c.key = this->key.child(i);
    return c;
  }
  constexpr Call overwriting() const {
    Call c = *this;
    c.into = {};
    return c;
  }
  template <class V> constexpr Call onto(V const& base) const {
    Call c = *this;
    c.into = {base.data(), base.stride()};
    return c;
  }
  /// A frame that names a value (and its gradient, if any) in front of what is in scope; and the call with it in scope.
  /// The frame must outlive that call.
  template <label Name, class V, class G> constexpr auto frame(V const& value, G* gradient) const {
    return Env<Name, V, G, E>{&value, gradient, env};
  }
  template <label Name, class V, class G> constexpr auto with(Env<Name, V, G, E> const& f) const {
    return Call<B, Env<Name, V, G, E>>{static_cast<CallState<B> const&>(*this), &f};
  }
  /// The frame of a name: ->value, ->gradient.
  template <label Name> constexpr auto const& get() const { return env_find_<Name, E>::in(*env); }
};

}  // namespace fauna::inline v0
