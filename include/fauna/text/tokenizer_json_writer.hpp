// A byte-level BPE tokenizer as a tokenizer.json: what text/tokenizer_json.hpp reads.
#pragma once
#include <string>
#include <vector>

#include <fauna/text/tokenizer_json.hpp>

namespace fauna::inline v0 {

/// Throws on a tokenizer whose vocabulary is not spelt in bytes.
inline std::string tokenizer_json_text(BpeSettings const& s) {
  if (!s.byte_level) fail("text", s.source + " has a vocabulary of characters", "one of bytes");
  const auto yes = [](bool b) { return std::string(b ? "true" : "false"); };
  const auto list = [](std::vector<std::string> const& parts) {
    std::string all;
    for (std::string const& p : parts) all += (all.empty() ? "" : ",\n") + p;
    return all;
  };
  std::vector<std::string> parts;
  for (AddedToken const& t : s.added)
    parts.push_back("{\"id\":" + std::to_string(t.id) + ",\"content\":" + json_quoted(t.content) +
                    ",\"single_word\":false,\"lstrip\":" + yes(t.lstrip) + ",\"rstrip\":" + yes(t.rstrip) +
                    ",\"normalized\":" + yes(t.normalized) + ",\"special\":" + yes(t.special) + '}');
  std::string out = "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\n\"added_tokens\":[" + list(parts);

  parts.clear();
  for (TextEdit const& e : s.edits)
    parts.push_back(e.nfc            ? "{\"type\":\"NFC\"}"
                    : e.from.empty() ? "{\"type\":\"Prepend\",\"prepend\":" + json_quoted(e.to) + '}'
                                     : "{\"type\":\"Replace\",\"pattern\":{\"String\":" + json_quoted(e.from) +
                                           "},\"content\":" + json_quoted(e.to) + '}');
  out += "],\n\"normalizer\":" +
         (parts.empty() ? "null" : "{\"type\":\"Sequence\",\"normalizers\":[" + list(parts) + "]}");

  parts.clear();
  const auto bytes = [&yes](bool space, bool cut) {
    return "{\"type\":\"ByteLevel\",\"add_prefix_space\":" + yes(space) +
           ",\"trim_offsets\":true,\"use_regex\":" + yes(cut) + '}';
  };
  std::string last = bytes(false, false);
  for (std::size_t i = 0; i < s.steps.size(); ++i) {
    SplitStep const& step = s.steps[i];
    const bool ends = i + 1 == s.steps.size() && (step.rule == split_rule::gpt2 || step.rule == split_rule::whole);
    if (ends) last = bytes(step.prefix_space, step.rule == split_rule::gpt2);
    else if (step.prefix_space) fail("text", s.source + " puts a space before a step that is not the last");
    else if (step.rule == split_rule::digit || step.rule == split_rule::digits)
      parts.push_back("{\"type\":\"Digits\",\"individual_digits\":" + yes(step.rule == split_rule::digit) + '}');
    else
      for (SplitPattern const& p : split_patterns)
        if (p.rule == step.rule)
          parts.push_back("{\"type\":\"Split\",\"pattern\":{\"Regex\":" + json_quoted(p.pattern) +
                          "},\"behavior\":\"Isolated\",\"invert\":false}");
  }
  parts.push_back(last);
  out += ",\n\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[" + list(parts) + "]}";

  parts.clear();
  std::vector<std::string> specials;
  const auto around = [&](std::vector<int> const& ids) {
    for (const int id : ids) {
      std::string name;
      for (AddedToken const& t : s.added)
        if (t.id == id) name = t.content;
      for (BpeSettings::Piece const& p : s.vocab)
        if (p.id == id && name.empty()) name = s.text(p.at, p.end);
      const std::string quoted = json_quoted(name);
      parts.push_back("{\"SpecialToken\":{\"id\":" + quoted + ",\"type_id\":0}}");
      const std::string said =
          quoted + ":{\"id\":" + quoted + ",\"ids\":[" + std::to_string(id) + "],\"tokens\":[" + quoted + "]}";
      bool known = false;
      for (std::string const& had : specials) known = known || had == said;
      if (!known) specials.push_back(said);
    }
  };
  around(s.prefix);
  parts.emplace_back("{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}");
  around(s.suffix);
  out += ",\n\"post_processor\":";
  out += specials.empty()
             ? "null"
             : "{\"type\":\"TemplateProcessing\",\"single\":[" + list(parts) + "],\"pair\":[" + list(parts) +
                   ",{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{" + list(specials) + "}}";
  out += ",\n\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}";

  out +=
      ",\n\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":" + (s.unk.empty() ? "null" : json_quoted(s.unk)) +
      ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":" + yes(s.fuse_unk) +
      ",\"byte_fallback\":" + yes(s.byte_fallback) + ",\"ignore_merges\":" + yes(s.ignore_merges) + ",\n\"vocab\":{";
  parts.clear();
  for (auto const& p : s.vocab) parts.push_back(json_quoted(s.text(p.at, p.end)) + ':' + std::to_string(p.id));
  out += list(parts) + "},\n\"merges\":[";
  parts.clear();
  for (auto const& m : s.merges)
    parts.push_back('[' + json_quoted(s.text(m.left, m.right)) + ',' + json_quoted(s.text(m.right, m.end)) + ']');
  return out + list(parts) + "]}}\n";
}

}  // namespace fauna::inline v0
