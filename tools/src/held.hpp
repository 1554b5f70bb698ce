// The form that --regex or --json-schema holds a text to.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fauna/decode/text_rule.hpp>
#include <fauna/io/file.hpp>
#include <fauna/text/grammar/json_schema.hpp>
#include <fauna/text/grammar/regex.hpp>
#include <fauna/text/grammar/token_texts.hpp>
#include <tools/src/settings.hpp>

namespace tool {

/// None where texts may be any. Throws on what is no form.
inline std::optional<fauna::grammar::Grammar> form_of(settings::Generate const& s) {
  if (!s.regex.empty() && !s.json_schema.empty()) fauna::fail("fauna", "--regex and --json-schema", "one of the two");
  if (!s.regex.empty()) return fauna::grammar::Grammar{{fauna::grammar::regex(s.regex)}};
  if (!s.json_schema.empty()) return fauna::grammar::json_schema(fauna::read_file(s.json_schema));
  return std::nullopt;
}

/// Says what is wrong with a form before anything is compiled.
inline void check_form(settings::Generate const& s) {
  const auto form = form_of(s);
  if (!form) return;
  const fauna::grammar::Automaton automaton(*form);
  if (automaton.ends(automaton.start()))
    fauna::fail("fauna", "--regex that allows the empty text alone", "a longer one");
}

/// A form over a vocabulary, as the rule of texts that stand behind a prompt.
class Held {
 public:
  Held(fauna::grammar::Grammar const& form, fauna::Bpe const& tokenizer, int vocab, std::vector<int> const& stop_ids,
       std::size_t prompt)
      : trie_(fauna::grammar::token_texts(tokenizer, vocab, stop_ids)),
        grammar_(form, trie_, stop_ids),
        rule_(grammar_, prompt) {}
  Held(Held const&) = delete;
  fauna::TokenRule* rule() { return &rule_; }

 private:
  fauna::grammar::TokenTrie trie_;
  fauna::grammar::TokenGrammar grammar_;
  fauna::TextRule rule_;
};

}  // namespace tool
