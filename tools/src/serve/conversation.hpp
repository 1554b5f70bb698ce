// A conversation of a request as tokens, in the chat template of a model directory.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <tools/src/chat.hpp>
#include <tools/src/say.hpp>
#include <tools/src/serve/request.hpp>

namespace tool::serve {

class Conversation {
 public:
  /// In the template of a directory. Throws where there is none, or one that cannot be read.
  Conversation(fauna::Bpe const& tokenizer, std::string const& directory)
      : tokenizer_(&tokenizer), chat_(directory), with_tools_(directory, true) {}

  /// How the model writes calls, by its template. Throws a Refusal where that says nothing of tools.
  call_style calls() const {
    if (with_tools_.source().find("tools") == std::string::npos)
      throw bad_request("'tools' is not available here: the model's chat template knows none.", "tools",
                        "unsupported_parameter");
    return with_tools_.source().find("<tool_call>") != std::string::npos ? call_style::tagged : call_style::bare;
  }

  /// The ids of a request's messages and of what begins the answer. Throws a Refusal where the template refuses them.
  std::vector<int> ids(Request const& r) const {
    fauna::jinja::Heap heap;
    const auto [messages, values] = read(heap, r);
    try {
      const auto text = (r.tools.empty() ? chat_ : with_tools_).text(heap, messages, true, values);
      return Chat::ids(*tokenizer_, text);
    } catch (fauna::jinja::template_error const& e) {  // its own words, and no file's name
      say(std::string("a request's messages: ") + e.what());
      throw bad_request("The model's chat template refuses 'messages': " + e.said + '.', "messages");
    }
  }

 private:
  /// The messages, and what the template may read beside them, in the order of the request's text.
  static std::pair<fauna::jinja::Value, Chat::Values> read(fauna::jinja::Heap& heap, Request const& r) try {
    Chat::Values values = Chat::read_values(heap, r.template_values);
    for (auto const& [name, json] : {std::pair{"documents", &r.documents}, std::pair{"tools", &r.tools}}) {
      if (json->empty()) continue;
      fauna::JsonReader in(*json, name);
      values.emplace_back(name, fauna::jinja::read_json(in, heap));
    }
    return {Chat::messages(heap, r.messages), std::move(values)};
  } catch (fauna::error const&) {  // what other readers of JSON take, such as an integer of more than 63 bits
    throw bad_request("What the chat template is to read, 'tools' or 'documents' say, has a value that is too large.");
  }

  fauna::Bpe const* tokenizer_;
  Chat chat_, with_tools_;
};

}  // namespace tool::serve
