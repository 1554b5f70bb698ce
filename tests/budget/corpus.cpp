// What the instantiation budget counts: everything that training and sampling instantiate for two models, one of them
// with two precisions. Compiled, never run. A part added to the library does not belong here; a cost that it adds to
// these models shows.
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>

namespace {

using namespace fauna;

template <class Model, class B>
void every_part(Call<B> const& call, Shape const& shape, Arena& arena, Matrix<float> logits, float* losses) {
  typename Model::template Weights<All<float>> w, dw;
  typename Model::template State<float> state, dstate;
  typename Model::template Saved<float> saved;
  std::size_t elements = 0;
  Model::visit(w, Place{}, [&](Tensor const& t, auto&) { elements += t.size(); });
  Model::plan(saved, shape, arena);
  Model::plan_state(state, shape, arena);
  Model::template plan_scratch<B>(shape, arena);
  Model::forward(call, w, dw, state, saved);
  Model::backward(call, w, dw, saved, dstate);
  Model::losses(call, w, state, losses);
  Model::logits(call, w, state, logit_rows::all, logits);
}

}  // namespace

void corpus(Call<Cpu<>> const& f32, Call<Cpu<bf16_products>> const& bf16, Shape const& shape, Arena& arena,
            Matrix<float> logits, float* losses) {
  every_part<NanoGptCpu>(f32, shape, arena, logits, losses);
  every_part<NanoGptCpu>(bf16, shape, arena, logits, losses);
  every_part<Gpt2>(f32, shape, arena, logits, losses);
}
