// A conversation of a request as tokens, in the chat template of a model directory.
#pragma once
#include <string>
#include <vector>

#include <tools/src/chat.hpp>
#include <tools/src/say.hpp>
#include <tools/src/serve/request.hpp>

namespace tool::serve {

class Conversation {
 public:
  /// In the template of a directory. Throws where there is none, or one that cannot be read.
  Conversation(fauna::Bpe const& tokenizer, std::string const& directory) : tokenizer_(&tokenizer), chat_(directory) {}

  /// The ids of a request's messages and of what begins the answer. Throws a Refusal where the template refuses them.
  std::vector<int> ids(Request const& r) const {
    fauna::jinja::Heap heap;
    const Chat::Values values = read(heap, r);
    try {
      const auto text = chat_.text(heap, Chat::messages(heap, r.messages), true, values);
      return Chat::ids(*tokenizer_, text);
    } catch (fauna::jinja::template_error const& e) {  // its own words, and no file's name
      say(std::string("a request's messages: ") + e.what());
      throw bad_request("The model's chat template refuses 'messages': " + e.said + '.', "messages");
    }
  }

 private:
  /// What the template may read beside the messages, in the order of the request's text.
  static Chat::Values read(fauna::jinja::Heap& heap, Request const& r) try {
    Chat::Values values = Chat::read_values(heap, r.template_values);
    if (!r.documents.empty()) {
      fauna::JsonReader in(r.documents, "documents");
      values.emplace_back("documents", fauna::jinja::read_json(in, heap));
    }
    return values;
  } catch (fauna::error const&) {  // what other readers of JSON take, such as an integer of more than 63 bits
    throw bad_request("'documents' or 'chat_template_kwargs' has a value that is too large.", "chat_template_kwargs");
  }

  fauna::Bpe const* tokenizer_;
  Chat chat_;
};

}  // namespace tool::serve
