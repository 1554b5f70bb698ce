// What a server says no to, as the OpenAI API says it: a status, and {"error": {message, type, param, code}}.
#pragma once
#include <stdexcept>
#include <string>

namespace tool::serve {

struct Refusal : std::runtime_error {
  Refusal(int with, std::string const& message, std::string of_type, std::string field = {}, std::string name = {})
      : std::runtime_error(message),
        status(with),
        type(std::move(of_type)),
        param(std::move(field)),
        code(std::move(name)) {}

  int status;                     ///< of HTTP
  std::string type, param, code;  ///< param: the field that is meant; empty ones are null in JSON
};

/// 400, with the field that is wrong.
inline Refusal bad_request(std::string const& message, std::string const& param = {}, std::string const& code = {}) {
  return {400, message, "invalid_request_error", param, code};
}

}  // namespace tool::serve
