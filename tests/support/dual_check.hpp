// The gradient check of the library, as tests name it.
#pragma once
#include <fauna/check/gradient.hpp>

namespace test {

using fauna::check_gradient;
using namespace fauna::checking;
using fauna::checking::dual;  // beside that of random.hpp, which would hide it

}  // namespace test
