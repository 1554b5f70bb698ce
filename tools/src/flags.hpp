// The lists of settings.hpp as command-line flags, or keys of a file that --config names: types checked, unknown names
// answered with the nearest known one.
#pragma once
#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include <tools/src/settings.hpp>
#include <tools/src/toml_settings.hpp>

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
    app_->add_option("--config", file_, "TOML with any of these flags as keys, without --; flags given beside it win")
        ->type_name("FILE")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  CLI::App* operator->() { return app_; }
  bool chosen() const { return app_->parsed(); }

  template <class S> void add(S list, std::string const& group) {
    list.each([&](const char* name, auto& value, const char* meaning) {
      using T = std::remove_reference_t<decltype(value)>;
      Flag& flag = flags_[name];
      flag.texts_of = &flag_texts<T>;
      flag.type = settings::type_name(value);
      flag.option = app_->add_option("--" + std::string(name), flag.given, meaning);
      if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        flag.option->type_name("TEXT");
      } else {
        flag.option->expected(std::is_same_v<T, bool> ? 0 : 1, 1)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        const std::string shown = settings::text(value);
        flag.option->type_name(short_name(value) + "=" + (shown == "\n" ? "\\n" : shown));
      }
      flag.option->allow_extra_args(false)->group(group);  // one value for each time
    });
  }
  /// Takes what the file of --config says, where the command line does not. Throws on a key that is no flag of the
  /// verb, and on a value of the wrong type.
  void read_config() {
    if (app_->get_option("--config")->count() == 0) return;
    for (auto const& [key, value] : read_toml(file_)) {
      const std::string name(key.str()), where = file_ + ", line " + std::to_string(key.source().begin.line) + ": ";
      const auto flag = flags_.find(name);
      if (flag == flags_.end()) fauna::fail(what(), where + "unknown key " + name, {}, suggestion(name, ""));
      std::vector<std::string> texts;
      if (!flag->second.texts_of(value, texts))
        fauna::fail(what(), where + name + (value.is_table() ? ", a table" : " = " + toml_text(value)),
                    flag->second.type);
      if (given_as_flag(name)) continue;
      flag->second.given = texts;
      flag->second.in_file = true;
    }
  }
  bool given_as_flag(std::string const& name) const {
    const auto flag = flags_.find(name);
    return flag != flags_.end() && flag->second.option->count() > 0;
  }
  bool has(std::string const& name) const { return given_as_flag(name) || in_file(name); }

  /// Writes what was given into a list. Throws on a value of the wrong type.
  template <class S> void apply(S& list) const {
    list.each([&](const char* name, auto& value, const char*) {
      if (!has(name)) return;
      using T = std::remove_reference_t<decltype(value)>;
      for (std::string s : flags_.at(name).given) {
        if (std::is_same_v<T, bool> && s.empty()) s = "true";
        if (!settings::parse(s, value)) fauna::fail(what(), std::string("--") + name + " " + s, flags_.at(name).type);
      }
    });
  }
  /// Throws on a flag that the verb does not have, naming the nearest one, and on words that are left over.
  void require_known() const {
    for (std::string const& word : app_->remaining()) {
      if (word.rfind("-", 0) != 0) fauna::fail(what(), "the word '" + word + "' is one too many");
      const std::string name = word.substr(0, word.find('='));
      fauna::fail(what(), "unknown flag " + name, {},
                  suggestion(name.substr(std::min<std::size_t>(2, name.size())), "--"));
    }
  }

 private:
  struct Flag {
    std::vector<std::string> given{};
    bool in_file = false;
    CLI::Option* option = nullptr;
    bool (*texts_of)(toml::node const&, std::vector<std::string>&) = nullptr;
    const char* type = "";
  };
  std::string what() const { return "fauna " + app_->get_name(); }
  bool in_file(std::string const& name) const { return flags_.count(name) > 0 && flags_.at(name).in_file; }
  /// The flag that was meant, if one has most of its letters.
  std::string suggestion(std::string const& name, std::string const& dashes) const {
    std::string best = "help";
    for (auto const& f : flags_)
      if (distance(f.first, name) < distance(best, name)) best = f.first;
    if (2 * distance(best, name) <= name.size()) return "did you mean " + dashes + best + '?';
    return "tools/fauna " + app_->get_name() + " --help lists its flags";
  }
  static std::string short_name(long) { return "INT"; }
  static std::string short_name(std::uint64_t) { return "INT"; }
  static std::string short_name(double) { return "NUMBER"; }
  static std::string short_name(bool) { return "BOOL"; }
  static std::string short_name(std::string const&) { return "TEXT"; }

  CLI::App* app_;
  std::string file_;
  std::map<std::string, Flag> flags_;
};

}  // namespace tool
