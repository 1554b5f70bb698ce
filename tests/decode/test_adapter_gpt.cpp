// LoRA adapters beside those of PyPI's peft, to GPT-2 and GPT-NeoX; a file for two of them, since a compilation has
// only so much memory.
#include <doctest/doctest.h>

#include "../support/adapters.hpp"

namespace test_adapter_gpt {

using namespace test;

TEST_CASE_TEMPLATE("adapters: the reference library's numbers", Case, Gpt2Small, NeoX) {
  check_against_reference<Case>();
}

}  // namespace test_adapter_gpt
