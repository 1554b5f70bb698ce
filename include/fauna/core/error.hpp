// Errors of the outside world (files, flags, shapes) are exceptions with one format:
//   [op] what was found, what was expected: a hint
#pragma once
#include <stdexcept>
#include <string>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws `[where] found, expected EXPECTED: hint`; expected and hint may be empty.
[[noreturn]] inline void fail(std::string const& where, std::string const& found, std::string const& expected = {},
                              std::string const& hint = {}) {
  std::string m = "[" + where + "] " + found;
  if (!expected.empty()) m += ", expected " + expected;
  if (!hint.empty()) m += ": " + hint;
  throw error(m);
}

}  // namespace fauna::inline v0
