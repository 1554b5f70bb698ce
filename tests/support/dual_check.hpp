// The gradient check of the library, as tests name it.
#pragma once
#include <fauna/check/gradient.hpp>

namespace test {

using fauna::check_gradient;
using namespace fauna::checking;

}  // namespace test
