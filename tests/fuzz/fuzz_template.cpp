// Anybody may have written a template: it is rendered, as UTF-8 with a mark for every byte, or refused with its place,
// and ends in either case. Most inputs are put together out of the templates that are compared with jinja2's answers.
#include <fauna/io/file.hpp>
#include <fauna/text/template/template.hpp>

#include "../support/source_dir.hpp"
#include "inputs.hpp"

using namespace fauna;
using fuzz::below, fuzz::Random;

namespace {

/// The values and the templates of tests/golden/templates/expressions.json.
struct Known {
  jinja::Heap heap{};
  std::vector<std::pair<std::string_view, jinja::Value>> values{};
  std::vector<std::string> templates{};

  Known() {
    const std::string path = test::source_path("tests/golden/templates/expressions.json"), text = read_file(path);
    JsonReader in(text, path);
    in.enter_object();
    for (std::string key; in.next_key(key);) {
      if (key == "values") {
        in.enter_object();
        for (std::string name; in.next_key(name);)
          values.emplace_back(heap.text(name)->bytes, jinja::read_json(in, heap));
        continue;
      }
      in.enter_array();
      while (in.next_item()) {
        in.enter_array();
        in.next_item();
        templates.push_back(in.string());
        while (in.next_item()) in.skip();
      }
    }
    JsonReader more(R"({"role": "user", "type": "mine", "more": [1, -2.5e3, false, null]})", "more");
    values.emplace_back("m", jinja::read_json(more, heap));
    for (const char* without_end : {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ [1] * 90000 }}",
                                    "{% for i in range(99999) %}{{ m }}{% endfor %}", "{{ ('a' * 99999) * 12 }}"})
      templates.emplace_back(without_end);
  }
};
Known const& known() {
  static const Known all;
  return all;
}

/// One to three templates, and up to three faults: a part goes, or becomes a part of another.
std::string input_of(Random& random) {
  auto const& all = known().templates;
  std::string text;
  for (std::size_t n = 1 + below(random, 3); n > 0; --n) text += all[below(random, all.size())];
  const auto part = [&](std::string const& s) {
    const std::size_t from = below(random, s.size() + 1);
    return std::pair(from, std::min(below(random, 12), s.size() - from));
  };
  for (std::size_t n = below(random, 4); n > 0; --n) {
    std::string const& other = all[below(random, all.size())];
    const auto [from, count] = part(text);
    const auto [other_from, other_count] = part(other);
    text.replace(from, count, below(random, 3) == 0 ? "" : other.substr(other_from, other_count));
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const Template t({reinterpret_cast<const char*>(data), size}, "t");
    jinja::Heap heap;
    const jinja::Text text = t.render(heap, known().values, {}, {.steps = 20000, .depth = 100, .bytes = 1 << 20});
    if (!text.marks.empty() && text.marks.size() != text.size()) std::abort();
    for (std::size_t at = 0; at < text.size();) next_code_point(text.bytes, at);
  } catch (jinja::template_error const& e) {
    if (e.line < 1 || e.column < 1 || e.said.empty()) std::abort();
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  return fuzz::mutate(data, size, most, seed, input_of);
}
