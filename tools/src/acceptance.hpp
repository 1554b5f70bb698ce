// Which drafts stay, by the name that --acceptance gives: fauna::Acceptance.
#pragma once
#include <string>
#include <variant>
#include <vector>

#include <fauna/decode/speculate/greedy.hpp>
#include <fauna/decode/speculate/rejection.hpp>
#include <fauna/decode/speculate/typical.hpp>
#include <tools/src/checks.hpp>

namespace tool {

class AnyAcceptance {
 public:
  fauna::keeps kept = fauna::keeps::ids;  ///< of plain decoding

  explicit AnyAcceptance(std::string const& name) : rule_(of(name)) {
    std::visit([this](auto const& r) { kept = r.kept; }, rule_);
  }

  void check(fauna::GenerateOptions const& o) const {
    std::visit([&](auto const& r) { r.check(o); }, rule_);
  }
  int draft(fauna::Drawing const& at, fauna::Law& q, fauna::Drafted const& earlier) const {
    return std::visit([&](auto const& r) { return r.draft(at, q, earlier); }, rule_);
  }
  int next(fauna::Drawing const& at, fauna::Drafted const& drafted) const {
    return std::visit([&](auto const& r) { return r.next(at, drafted); }, rule_);
  }

 private:
  using Rule = std::variant<fauna::Match, fauna::Greedy, fauna::Rejection<>, fauna::PointMass<>,
                            fauna::WithoutReplacement<>, fauna::Typical<>>;
  static Rule of(std::string const& name) {
    one_of("acceptance", name, {"match", "greedy", "rejection", "point-mass", "without-replacement", "typical"});
    if (name == "greedy") return fauna::Greedy{};
    if (name == "rejection") return fauna::Rejection<>{};
    if (name == "point-mass") return fauna::PointMass<>{};
    if (name == "without-replacement") return fauna::WithoutReplacement<>{};
    if (name == "typical") return fauna::Typical<>{};
    return fauna::Match{};
  }

  Rule rule_;
};

}  // namespace tool
