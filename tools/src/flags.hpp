// The lists of settings.hpp as command-line flags: types checked, unknown names answered with the nearest known one.
#pragma once
#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include <tools/src/settings.hpp>

namespace tool {

/// Insertions, deletions, replacements and swaps of neighbours that make one word of the other.
inline std::size_t distance(std::string const& a, std::string const& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i)
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

/// A verb with its flags. Values stay text here: what was given is told from what was not, and overrides a preset's or
/// a checkpoint's.
class Verb {
 public:
  Verb(CLI::App& app, std::string const& name, std::string const& what) : app_(app.add_subcommand(name, what)) {
    app_->allow_extras();
    app_->failure_message(CLI::FailureMessage::simple);
  }
  CLI::App* operator->() { return app_; }
  bool chosen() const { return app_->parsed(); }

  template <class S> void add(S list, std::string const& group) {
    list.each([&](const char* name, auto& value, const char* meaning) {
      using T = std::remove_reference_t<decltype(value)>;
      std::vector<std::string>& kept = given_[name];
      CLI::Option* o = app_->add_option("--" + std::string(name), kept, meaning);
      if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        o->type_name("TEXT");
      } else {
        o->expected(std::is_same_v<T, bool> ? 0 : 1, 1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        const std::string shown = settings::text(value);
        o->type_name(short_name(value) + "=" + (shown == "\n" ? "\\n" : shown));
      }
      options_[name] = o->allow_extra_args(false)->group(group);  // one value for each time
    });
  }
  bool has(std::string const& name) const { return options_.count(name) > 0 && options_.at(name)->count() > 0; }

  /// Writes what was given into a list. Throws on a value of the wrong type.
  template <class S> void apply(S& list) const {
    list.each([&](const char* name, auto& value, const char*) {
      if (!has(name)) return;
      using T = std::remove_reference_t<decltype(value)>;
      for (std::string s : given_.at(name)) {
        if (std::is_same_v<T, bool> && s.empty()) s = "true";
        if (!settings::parse(s, value))
          fauna::fail("fauna " + app_->get_name(), std::string("--") + name + " " + s, settings::type_name(value));
      }
    });
  }
  /// Throws on a flag that the verb does not have, naming the nearest one, and on words that are left over.
  void require_known() const {
    for (std::string const& word : app_->remaining()) {
      if (word.rfind("-", 0) != 0) fauna::fail("fauna " + app_->get_name(), "the word '" + word + "' is one too many");
      const std::string name = word.substr(0, word.find('='));
      std::string nearest = "--help";
      for (auto const& o : options_)
        if (distance("--" + o.first, name) < distance(nearest, name)) nearest = "--" + o.first;
      fauna::fail("fauna " + app_->get_name(), "unknown flag " + name, {}, "did you mean " + nearest + '?');
    }
  }

 private:
  static std::string short_name(long) { return "INT"; }
  static std::string short_name(std::uint64_t) { return "INT"; }
  static std::string short_name(double) { return "NUMBER"; }
  static std::string short_name(bool) { return "BOOL"; }
  static std::string short_name(std::string const&) { return "TEXT"; }

  CLI::App* app_;
  std::map<std::string, std::vector<std::string>> given_;
  std::map<std::string, CLI::Option*> options_;
};

}  // namespace tool
