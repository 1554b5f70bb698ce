// A block asks for a shared block that nobody owns.
// expect: shared block scope
#include <fauna/core/call.hpp>
#include <fauna/ops/ref.hpp>

using namespace fauna;

int main() {
  Call<Ref<float>> call;
  (void)call.get<"shared">();
}
