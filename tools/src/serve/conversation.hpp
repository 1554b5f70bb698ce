// A conversation as tokens, in the chat template of a model directory.
#pragma once
#include <string>
#include <vector>

#include <fauna/text/bpe.hpp>
#include <tools/src/chat.hpp>
#include <tools/src/serve/request.hpp>

namespace tool::serve {

/// ChatML (chat.hpp). Each turn is <|im_start|>ROLE\nCONTENT<|im_end|>\n; what spells a special token in somebody's
/// content is text, so that nobody ends his turn and speaks for another.
class ChatMl {
 public:
  /// The template of a directory. Throws where it is another, or the tokenizer has no tokens for turns.
  ChatMl(fauna::Bpe const& tokenizer, std::string const& directory)
      : tokenizer_(&tokenizer),
        system_(chatml_system(directory)),
        start_(turn("<|im_start|>")),
        end_(turn("<|im_end|>")) {}

  std::vector<int> ids(std::vector<Message> const& messages) const {
    std::vector<int> all;
    if (!system_.empty() && messages[0].role != "system") add({"system", system_}, all);
    for (Message const& m : messages) add(m, all);
    all.push_back(start_);
    add("assistant\n", all);
    return all;
  }

 private:
  int turn(std::string const& token) const {
    const int id = tokenizer_->id(token);
    if (id < 0 || !tokenizer_->special(id))
      fauna::fail("chat", "the tokenizer has no special token " + token, "ChatML's two");
    return id;
  }
  void add(std::string const& text, std::vector<int>& all) const {
    const auto ids = tokenizer_->encode(text, {.match_special = false, .add_special = false});
    all.insert(all.end(), ids.begin(), ids.end());
  }
  void add(Message const& m, std::vector<int>& all) const {
    all.push_back(start_);
    add(m.role + '\n' + m.content, all);
    all.push_back(end_);
    add("\n", all);
  }

  fauna::Bpe const* tokenizer_;
  std::string system_;
  int start_, end_;
};

}  // namespace tool::serve
