#include <tools/src/verbs/files.hpp>

#include <tools/src/checks.hpp>
#include <tools/src/convert.hpp>
#include <tools/src/download.hpp>
#include <tools/src/export.hpp>
#include <tools/src/quantize.hpp>
#include <tools/src/upcycle.hpp>
#include <tools/src/verbs/models.hpp>

namespace tool::verbs {

void export_files(Verb const& verb, std::string const& from, std::string const& to, std::string const& adapter) {
  export_model(from, to, use_of(verb), adapter);
}
void convert(Verb const& verb, std::string const& from, std::string const& to) {
  settings::Convert s;
  verb.apply(s);
  tool::convert(from, to, s.type, use_of(verb));
}
void quantize(Verb const& verb, std::string const& from, std::string const& to) {
  settings::Convert s;
  verb.apply(s);
  tool::quantize(from, to, s.type);
}
void upcycle(Verb const& verb, std::string const& from, std::string const& to) {
  settings::Upcycle s;
  verb.apply(s);
  tool::upcycle(from, to, whole("experts", s.experts, 2), whole("top-k", s.top_k, 2), use_of(verb));
}
void download(Verb const& verb, std::string const& name) {
  settings::Download s;
  verb.apply(s);
  tool::download(name, s);
}

}  // namespace tool::verbs
