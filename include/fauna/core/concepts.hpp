// The vocabulary of the library, one sentence each. Concepts select; what is wrong with a composition is said by its
// `fault` (core/fault.hpp). `Scalar` and `Backend` stand in core/backend.hpp.
#pragma once
#include <concepts>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/ledger.hpp>

namespace fauna::inline v0 {

/// Static functions over rows: widths, a forward pass over weights, state and what it saves, and what may be wrong with
/// it.
template <class B>
concept Block = requires(Call<Ref<float>> c, typename B::template Weights<All<float>> w,
                         typename B::template State<float> s, typename B::template Saved<float> saved,
                         typename B::template X<Call<Ref<float>>> x, typename B::template Y<Call<Ref<float>>> y) {
  { B::in } -> std::convertible_to<int>;
  { B::out } -> std::convertible_to<int>;
  typename B::fault;
  B::forward(c, w, s, x, y, saved);
};

/// A block of rows that can be run backwards.
template <class B, class Bk = Ref<double>>
concept Trainable = Block<B> &&
    requires(Call<Bk> c, typename B::template Weights<All<typename Bk::scalar>> w,
             typename B::template State<typename Bk::scalar> s, typename B::template Saved<typename Bk::scalar> saved,
             typename B::template X<Call<Bk>> x, typename B::template DY<Call<Bk>> dy,
             typename B::template DX<Call<Bk>> dx) {
  B::backward(c, w, w, x, saved, dy, dx, s);
};

/// A block that carries something from call to call.
template <class B>
concept Stateful = Block<B> &&(state_bytes<B>(Shape{.context = 1}) > 0);

/// A block or model whose state does not grow with the context: recurrent mixers, and blocks without any state.
template <class B>
concept ConstantState = requires {
  typename B::template State<float>;
}
&&(state_bytes<B>(Shape{.length = 1, .context = 1}) == state_bytes<B>(Shape{.length = 4096, .context = 4096}));

/// A block or model whose state grows with the context up to some size: attention with windows.
template <class B>
concept BoundedState = state_bytes<B>(Shape{.context = 1 << 20})
== state_bytes<B>(Shape{.context = 1 << 21});

/// The most rows of a sequence that a model was made for: its table of positions, or what its config says.
template <class M> inline constexpr int context_of = unbounded;
template <class M>
requires requires { M::config.context; }
inline constexpr int context_of<M> = M::config.context;

/// A language model, or a stage of one: what is counted, kept and trained.
template <class M>
concept ModelPart = requires {
  { M::vocab } -> std::convertible_to<int>;
  { M::width } -> std::convertible_to<int>;
  { M::parameters } -> std::convertible_to<std::size_t>;
  typename M::fault;
  typename M::template Weights<All<float>>;
};

/// A language model: knows its vocabulary and turns tokens to a loss and to logits.
template <class M>
concept LanguageModel = ModelPart<M> && requires(Call<Ref<float>> c, typename M::template Weights<All<float>> w,
                                                 typename M::template State<float> s, Matrix<float> y) {
  M::logits(c, w, s, logit_rows::all, y);
};

/// Text to token ids and back.
template <class T>
concept Tokenizer = requires(T const& t, std::string_view text, const int* ids, std::size_t n) {
  { t.vocab() } -> std::convertible_to<int>;
  { t.encode(text) } -> std::convertible_to<std::vector<int>>;
  { t.decode(ids, n) } -> std::convertible_to<std::string>;
};

/// The learning rate of a step.
template <class S>
concept LearningRate = requires(S const& s, long step) {
  { s(step) } -> std::convertible_to<double>;
};

}  // namespace fauna::inline v0
