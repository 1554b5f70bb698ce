// The verbs that make data, and look at it.
#pragma once
#include <string>
#include <vector>

#include <tools/src/flags.hpp>

namespace tool::verbs {

void tokenize(Verb const& verb, std::string const& from, std::string const& text);
void learn_tokenizer(Verb const& verb, std::vector<std::string> const& files);
void prepare(Verb const& verb, std::vector<std::string> const& files);

}  // namespace tool::verbs
