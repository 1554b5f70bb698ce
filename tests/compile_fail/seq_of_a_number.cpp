// What is no block cannot stand among blocks.
// expect: constraint Seq int
#include <fauna/blocks/linear.hpp>
#include <fauna/compose/seq.hpp>

using namespace fauna;
using Layer = Seq<Linear<3, 4>, int>;
int width = Layer::in;
