// A letter of a pattern of layers that the family does not know.
// expect: the family has no mixer of this letter
#include <fauna/models/lfm2.hpp>

using namespace fauna;
using Block = decltype(Lfm2Style::mixer_of<Lfm2Config{}, 'x'>());
