// 06: an illegal model, and the error it gives. As it stands this compiles; with -DILLEGAL it must not.
//
// The MLP's first matrix gives 512 columns; the activation after it is told 384. Nothing is wrong until the model is
// used: combinators only compute what is wrong with them, and Trained asserts that it is nothing. So the compiler's
// message is short, with both blocks and both numbers. From g++ 12:
//
//   include/fauna/core/fault.hpp: In instantiation of 'constexpr bool fauna::v0::legal() [with Fault =
//     widths_differ<Linear<128, 512>, Gelu<384>, 512, 384>]':
//   error: static assertion failed: fauna: illegal model. See Fault: widths_differ<first block, second block, gives,
//     wants>, ...
//
// expect: widths_differ Linear Gelu 512 384
#include <cstdio>

#include <fauna/fauna.hpp>

using namespace fauna;

#ifdef ILLEGAL
constexpr int activated = 384;
#else
constexpr int activated = 512;
#endif

struct Layer
    : Residual<
          Seq<At<"ln", LayerNorm<128>>,
              At<"mlp", Seq<At<"c_fc", Linear<128, 512>>, Gelu<activated>, At<"c_proj", Linear<activated, 128>>>>>> {};
struct Model : Lm<Embedding<65, 128>, Stack<0, 4, Layer>, TiedHead<128, 65>> {};

// A fault is a type, void where there is none: it can be looked at without an error.
static_assert(std::is_void_v<Model::fault> == (activated == 512));

int main() {
  const Trained<Model, Cpu<>> model;
  std::printf("legal: %zu tensors, %zu parameters\n", model.parameters().size(), parameters<Model>);
  return 0;
}
