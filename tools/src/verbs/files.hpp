// The verbs that make files of others and run no model.
#pragma once
#include <string>

#include <tools/src/flags.hpp>

namespace tool::verbs {

/// adapter: merged into the model; empty: none.
void export_files(Verb const& verb, std::string const& from, std::string const& to, std::string const& adapter = {});
void convert(Verb const& verb, std::string const& from, std::string const& to);
void quantize(Verb const& verb, std::string const& from, std::string const& to);
void upcycle(Verb const& verb, std::string const& from, std::string const& to);
void download(Verb const& verb, std::string const& name);

}  // namespace tool::verbs
