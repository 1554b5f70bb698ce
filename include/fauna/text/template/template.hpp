// Chat templates: Jinja, as far as models' templates use it, with the settings that transformers renders them with
// (trim_blocks, lstrip_blocks, break and continue, {% generation %}, tojson, raise_exception, strftime_now; a sandbox
// in which nothing but namespaces changes). docs/templates.md says what is there.
#pragma once
#include <fauna/text/template/parser.hpp>
#include <fauna/text/template/render.hpp>

namespace fauna::inline v0 {

/// Usage:
///   const Template t(read_file("chat_template.jinja"), "chat_template.jinja");
///   jinja::Heap heap;
///   JsonReader in(R"([{"role": "user", "content": "Hello!"}])", "messages");
///   const jinja::Text text = t.render(heap, {{"messages", jinja::read_json(in, heap)}});
/// A rendering ends, whatever the template does: jinja::Limits. Its text knows which bytes came out of the values
/// (jinja::foreign), and which stand between {% generation %} and {% endgeneration %} (jinja::generated).
class Template {
 public:
  /// Throws jinja::template_error, which names line and column, on what is no template, or none that is known here.
  Template(std::string_view text, std::string name) : source_{jinja::unified(text), std::move(name)} {
    body_ = jinja::Parser::read(source_, nodes_, constants_);
  }
  Template(Template const&) = delete;
  Template& operator=(Template const&) = delete;
  Template(Template&&) = default;  // nodes and constants stay where they are
  Template& operator=(Template&&) = default;

  /// The text of some values. What is made on the way lies in `heap`, as they do. `now`: for strftime_now; may be
  /// called by several threads at once, each with a heap of its own. Throws jinja::template_error.
  jinja::Text render(jinja::Heap& heap, std::vector<std::pair<std::string_view, jinja::Value>> const& values,
                     std::tm const& now = {}, jinja::Limits limits = {}) const {
    jinja::Context context(source_, heap, limits, now);
    jinja::Scope* global = heap.scope(nullptr);
    for (auto const& [name, value] : values) global->set(name, value);
    return jinja::Renderer(context, global).all(body_);
  }
  std::string const& name() const { return source_.name; }
  std::string const& text() const { return source_.text; }

 private:
  jinja::Source source_;
  std::deque<jinja::Node> nodes_{};
  jinja::Heap constants_{};
  std::vector<jinja::Node const*> body_{};
};

}  // namespace fauna::inline v0
