// A block that has widths and no forward pass.
// expect: constraint Residual Silent
#include <fauna/compose/residual.hpp>

using namespace fauna;
struct Silent : Leaf<4, 4> {};
int width = Residual<Silent>::in;
