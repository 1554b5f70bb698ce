// A function that reads 128 columns is handed 127.
// expect: 127 128
#include <fauna/core/view.hpp>

float first(fauna::View<const float, fauna::dyn, 128> x) { return x(0, 0); }

int main() {
  float data[127]{};
  return static_cast<int>(first(fauna::View<float, fauna::dyn, 127>(data, 1)));
}
