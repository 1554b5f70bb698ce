// Six experts do not divide into four groups.
// expect: groups_do_not_divide_experts TopK 4 6
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/moe.hpp>

using namespace fauna;
constexpr bool checked = legal<Moe<Linear<8, 8>, 6, 2, Routing{.groups = 4}>::fault>();
