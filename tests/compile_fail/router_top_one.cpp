// One expert a row, its weight renormalised to 1: the router would never get a gradient.
// expect: router_without_gradient TopK
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/moe.hpp>

using namespace fauna;
constexpr bool checked = legal<Moe<Linear<8, 8>, 4, 1>::fault>();
