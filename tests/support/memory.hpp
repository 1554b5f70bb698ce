// Memory full of NaN, as tests name it.
#pragma once
#include <fauna/check/poisoned.hpp>

namespace test {

using fauna::checking::Poisoned;

}  // namespace test
