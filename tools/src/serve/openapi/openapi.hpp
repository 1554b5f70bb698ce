// The endpoints as openapi.json describes them, for clients and for the server itself. That file is an OpenAPI 3.1
// document (https://spec.openapis.org/oas/v3.1.0) within the marks of a raw string, so that C++ reads it too.
#pragma once
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <fauna/core/error.hpp>

namespace tool::serve {

inline constexpr std::string_view openapi =
#include <tools/src/serve/openapi/openapi.json>
    ;

/// Which endpoints there are. Their paths are as the description spells them; the one parameter that a path may have,
/// {...}, is its end, and more than nothing.
class Endpoints {
 public:
  Endpoints() {
    const auto description = nlohmann::json::parse(openapi);
    for (auto const& [path, operations] : description.at("paths").items())
      for (auto const& [method, operation] : operations.items()) methods_[path].push_back(upper(method));
  }

  std::map<std::string, std::vector<std::string>> const& all() const { return methods_; }
  /// The endpoint that a request is for; empty: none.
  std::string of(std::string const& path) const {
    for (auto const& [endpoint, methods] : methods_) {
      const std::string before = endpoint.substr(0, endpoint.find('{'));
      if (path == endpoint || (before != endpoint && path.size() > before.size() && path.starts_with(before)))
        return endpoint;
    }
    return {};
  }
  /// What may be done with a path, as the header Allow lists it (RFC 9110, section 10.2.1); empty: it is none.
  std::string allowed(std::string const& path) const {
    std::string list;
    const auto found = methods_.find(of(path));
    if (found == methods_.end()) return list;
    for (std::string const& method : found->second)
      list += (list.empty() ? "" : ", ") + method + (method == "GET" ? ", HEAD" : "");
    return list;
  }
  /// The regular expression of an endpoint's paths. Throws where the description has no such endpoint.
  std::string pattern(std::string const& method, std::string const& endpoint) const {
    const auto found = methods_.find(endpoint);
    if (found == methods_.end() || std::find(found->second.begin(), found->second.end(), method) == found->second.end())
      fauna::fail("serve", "openapi.json has no " + method + ' ' + endpoint, "each endpoint of the server");
    std::string all;
    for (const char c : endpoint.substr(0, endpoint.find('{'))) all += c == '.' ? "\\." : std::string(1, c);
    return all + (endpoint.ends_with('}') ? "([^]+)" : "");
  }

 private:
  static std::string upper(std::string word) {
    for (char& c : word) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return word;
  }
  std::map<std::string, std::vector<std::string>> methods_;
};

}  // namespace tool::serve
