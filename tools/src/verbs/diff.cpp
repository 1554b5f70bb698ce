#include <tools/src/verbs/diff.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include <fauna/io/print.hpp>
#include <fauna/models/explain.hpp>
#include <tools/src/verbs/models.hpp>

namespace tool::verbs {

namespace {

using Json = nlohmann::json;
using Rows = std::vector<std::vector<std::string>>;

/// A model's settings by name, in their order, and what explain says of it.
struct Seen {
  std::string name, family;
  std::vector<std::pair<std::string, std::string>> settings;
  Json outline;

  const std::string* setting(std::string const& of) const {
    for (auto const& [key, value] : settings)
      if (key == of) return &value;
    return nullptr;
  }
};

Seen seen(ModelConfig const& model, std::string const& name, int context) {
  Seen s;
  s.name = name;
  std::istringstream line(model.line());
  line >> s.family;
  for (std::string word; line >> word;) {
    const std::size_t equals = word.find('=');
    s.settings.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  const std::string program = program_for(model.described(), "f32", "explain");
  settings::Explain how;
  how.json = true;
  how.context = context;
  std::vector<std::string> command = settings::arguments(how);
  command.insert(command.begin(), program);
  const Said said = ask(command, "");
  if (said.status != 0) fauna::fail("fauna diff", name + "'s program ended with " + std::to_string(said.status), "0");
  s.outline = Json::parse(said.text);
  return s;
}

/// Rows of texts as columns, the first ones to the left and numbers to the right.
std::string table(Rows const& rows, std::string const& indent) {
  std::vector<std::size_t> widths;
  for (auto const& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string out;
  for (auto const& row : rows) {
    std::string line = indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string fill(widths[i] - row[i].size(), ' ');
      line += (i > 0 ? "  " : "") + (i > 0 ? fill + row[i] : row[i] + fill);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return out;
}

std::string settings_of(Seen const& a, Seen const& b, bool all) {
  Rows rows{{"", a.name, b.name}};
  if (a.family != b.family || all) rows.push_back({"family", a.family, b.family});
  std::vector<std::string> own, others;
  for (auto const& [key, value] : a.settings)
    if (const std::string* there = b.setting(key); there == nullptr) own.push_back(key + '=' + value);
    else if (*there != value || all) rows.push_back({key, value, *there});
  for (auto const& [key, value] : b.settings)
    if (a.setting(key) == nullptr) others.push_back(key + '=' + value);
  std::string out = "settings\n" + (rows.size() > 1 ? table(rows, "  ") : "  alike\n");
  for (auto const& [name, words] : {std::pair{a.name, own}, {b.name, others}}) {
    if (words.empty()) continue;
    out += "  of " + name + " alone:";
    for (std::string const& w : words) out += ' ' + w;
    out += '\n';
  }
  return out;
}

std::string counts_of(Json const& a, Json const& b, std::string const& one, std::string const& other) {
  Rows rows{{"", one, other, "times"}};
  const auto row = [&](const char* what, const char* key) {
    const double x = a[key].get<double>(), y = b[key].get<double>();
    char times[32];
    std::snprintf(times, sizeof times, "%.3g", x > 0 ? y / x : 0.0);
    rows.push_back({what, fauna::grouped(static_cast<std::size_t>(x)), fauna::grouped(static_cast<std::size_t>(y)),
                    x > 0 ? times : "-"});
  };
  row("parameters", "parameters");
  row("parameters at work in a token", "active_parameters");
  row("FLOPs of a token, forward", "flops_per_token");
  row("bytes of weights, f32", "weight_bytes");
  row("bytes of a cache, f32", "cache_bytes");
  return "costs, at " + std::to_string(a["context"].get<int>()) + " tokens\n" + table(rows, "  ");
}

/// A block's line in the tree, without its counts.
std::string name_of(Json const& block) {
  return std::string(2 * block["depth"].get<std::size_t>(), ' ') + block["name"].get<std::string>() +
         (block.contains("kind") ? (block["name"] == "" ? "" : " ") + block["kind"].get<std::string>() : "");
}
/// The same by which blocks are one: layers 0 .. 11 are layers, as 0 .. 23 are.
std::string key_of(Json const& block) {
  Json one = block;
  const auto name = block["name"].get<std::string>();
  if (name.find_first_not_of("0123456789 .") == std::string::npos && name.find(" .. ") != std::string::npos)
    one["name"] = "..";
  return name_of(one);
}
std::string sizes_of(Json const& block) {
  std::string s;
  if (block.contains("kind")) {
    s = std::to_string(block["in"].get<int>());
    if (block["in"] != block["out"]) s += " -> " + std::to_string(block["out"].get<int>());
  }
  const auto n = block["parameters"].get<std::size_t>();
  return n == 0 ? s : s + (s.empty() ? "" : ", ") + fauna::grouped(n);
}

/// The blocks of two trees beside each other, those in the longest common order as one row.
std::string blocks_of(Json const& a, Json const& b, bool all) {
  const std::size_t n = a.size(), m = b.size();
  std::vector<std::string> keys, others;
  for (Json const& block : a) keys.push_back(key_of(block));
  for (Json const& block : b) others.push_back(key_of(block));
  std::vector<std::vector<int>> common(n + 1, std::vector<int>(m + 1, 0));  // of what is left behind i and j
  const auto same = [&](std::size_t i, std::size_t j) { return keys[i] == others[j]; };
  for (std::size_t i = n; i-- > 0;)
    for (std::size_t j = m; j-- > 0;)
      common[i][j] = same(i, j) ? common[i + 1][j + 1] + 1 : std::max(common[i + 1][j], common[i][j + 1]);
  Rows rows;
  for (std::size_t i = 0, j = 0; i < n || j < m;) {
    if (i < n && j < m && same(i, j)) {
      const std::string x = sizes_of(a[i]), y = sizes_of(b[j]);
      const std::string name = b[j]["name"], both = name == a[i]["name"] ? "" : " | " + name;
      if (x != y || !both.empty() || all)
        rows.push_back({(x == y && both.empty() ? "  " : "~ ") + name_of(a[i]) + both, x, x == y ? "" : y});
      ++i, ++j;
    } else if (j == m || (i < n && common[i + 1][j] >= common[i][j + 1])) {
      rows.push_back({"- " + name_of(a[i]), sizes_of(a[i]), ""});
      ++i;
    } else {
      rows.push_back({"+ " + name_of(b[j]), "", sizes_of(b[j])});
      ++j;
    }
  }
  return "blocks\n" + (rows.empty() ? "  alike\n" : table(rows, ""));
}

}  // namespace

void diff(Verb const& verb, std::string const& one, std::string const& other) {
  settings::Diff s;
  verb.apply(s);
  const AnyModel first = named_model(verb, one), second = named_model(verb, other);
  // What a cache takes, and looks back at, is compared at the same length: 1024 where neither has one.
  const int shorter = std::min(first->context(), second->context()),
            context = shorter < fauna::unbounded ? shorter : 1024;
  const Seen a = seen(*first, one, context), b = seen(*second, other, context);
  fauna::print(stdout, settings_of(a, b, s.all) + '\n' + blocks_of(a.outline["blocks"], b.outline["blocks"], s.all) +
                           '\n' + counts_of(a.outline, b.outline, one, other));
}

}  // namespace tool::verbs
