// What config.json says of layers of several kinds (models/hybrid.hpp), alike in the families that have them.
#pragma once
#include <map>
#include <string>

#include <fauna/models/hybrid.hpp>
#include <tools/src/dense.hpp>
#include <tools/src/letters.hpp>

namespace tool {

/// Refuses to write a model that config.json cannot say.
template <class C> void writable(C const& m, bool can, const char* what) {
  if (!can)
    fauna::fail("fauna", fauna::to_text(m), what, "the reference library has no field for others in this family");
}

/// The kinds of layers out of a list with a word for each of them.
inline fauna::letters layer_kinds(Config& c, std::string const& field, int layers,
                                  std::map<std::string, char> const& known) {
  Config::Json const* list = c.find(field);
  if (list == nullptr || !list->is_array() || list->size() != static_cast<std::size_t>(layers) || layers > 127)
    c.wrong(field, "a list of " + std::to_string(layers) + " words, at most 127");
  std::string all, words;
  for (auto const& [word, letter] : known) words += (words.empty() ? "" : ", ") + word;
  for (Config::Json const& word : *list) {
    const auto found = word.is_string() ? known.find(word.get<std::string>()) : known.end();
    if (found == known.end()) c.wrong(field, "a list of " + words);
    all += found->second;
  }
  return shortest_round(all);
}
inline Config::Json kinds_json(fauna::letters const& kinds, int layers, std::map<char, std::string> const& words) {
  Config::Json list = Config::Json::array();
  for (int l = 0; l < layers; ++l) list.push_back(words.at(kinds.of(l)));
  return list;
}

/// `one` at an offset in each round of so many, `other` elsewhere.
inline fauna::letters one_of_round(Config& c, std::string const& name, int usual_period, int usual_offset, char one,
                                   char other) {
  const std::string period_field = name + "_period", offset_field = name + "_offset";
  const int period = c.whole(period_field, usual_period);
  Config::Json const* at = c.find(offset_field);
  if (at != nullptr && (!at->is_number_integer() || *at < 0 || *at >= period))
    c.wrong(offset_field, "a whole number from 0 to below " + std::to_string(period));
  const int offset = at == nullptr ? usual_offset : at->get<int>();
  if (period > 127 || offset >= period) c.wrong(period_field, std::to_string(offset + 1) + " to 127");
  std::string all(static_cast<std::size_t>(period), other);
  all[static_cast<std::size_t>(offset)] = one;
  return fauna::letters(all);
}
/// The same as fields of a config.json.
template <class C>
void one_of_round_json(Config::Json& j, std::string const& name, C const& m, fauna::letters const& kinds, char one) {
  const std::string all(kinds.view());
  const std::size_t at = all.find(one);
  writable(m, at != std::string::npos && all.find(one, at + 1) == std::string::npos,
           ("one layer '" + std::string(1, one) + "' in each round").c_str());
  j[name + "_period"] = all.size();
  j[name + "_offset"] = at;
}

}  // namespace tool
