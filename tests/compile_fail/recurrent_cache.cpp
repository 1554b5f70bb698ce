// A cache for a model whose state does not grow with the context: it has no rows to forget.
// expect: state grow context forgetting rows
#include <fauna/fauna.hpp>

#include "../support/toys.hpp"

using namespace fauna;
struct Recurrent : Lm<Embedding<65, 16>, test::Scan<16>, TiedHead<16, 65>> {};

Cache<Recurrent, Ref<float>> cache;
