#!/usr/bin/env python3
"""tool_chat.py FAUNA WORK MODELS: tools/fauna chat through pipes: answers are those of generate --chat, later turns know the
earlier ones, commands do what /help says, Ctrl-C ends an answer and not the conversation, no character is cut, and what is
wrong is said before anything is compiled. A tiny random mamba is compiled.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from fauna_tool import Tool

fauna, work, models = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
tool = Tool(fauna, work)
pieces = ["<|end|>", "<|turn|>", "Ċ", "Ġ", "Ã", "©", *"abceimnrstuyhl.?:"]
end = 0
template = ("{% for m in messages %}{% if m.content == 'refuse' %}{{ raise_exception('not that') }}{% endif %}"
            "{{ '<|turn|>' + m.role + ':' + m.content }}{% endfor %}{{ suffix }}"
            "{% if add_generation_prompt %}{{ '<|turn|>as' }}{% endif %}")

model = work / "model"
shutil.copytree(models / "mamba", model)
byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
special = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
(model / "tokenizer.json").write_text(json.dumps({
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [{"id": i, "content": pieces[i], **special} for i in range(2)],
    "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level,
    "model": {"type": "BPE", "dropout": None, "unk_token": None, "vocab": {p: i for i, p in enumerate(pieces)}, "merges": []}}))
config = json.loads((model / "config.json").read_text())
(model / "config.json").write_text(json.dumps(config | {"eos_token_id": end}))

tool.refused("has no chat template", "chat", model)
(model / "chat_template.jinja").write_text("a\n{% if %}")
tool.refused("chat_template.jinja:2:7: %}, expected an expression", "chat", model)
(model / "chat_template.jinja").write_text(template)
tool.refused("expected an object", "chat", model, "--values", "[]")
tool.refused("there is no", "chat", "nowhere")


def talk(lines, *flags):
    """What is said to some lines: an answer each, and stderr."""
    done = subprocess.run([fauna, "chat", str(model), "--max-new-tokens", "12", *map(str, flags)], cwd=work, check=False,
                          input="".join(line + "\n" for line in lines).encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode(), done.stderr.decode()  # decode: no character is cut


def generated(*words):
    return tool.says("generate", model, "--chat", "--max-new-tokens", 12, *words)


def saved(name="talk.json"):
    return [(m["role"], m["content"]) for m in json.loads((work / name).read_text())["messages"]]


# An answer is that of generate, and the speed stands on stderr.
said, errors = talk(["seas"])
assert said == generated("--prompt", "seas"), (said, generated("--prompt", "seas"))
assert " tokens read in " in errors and " written, " in errors and " a second" in errors, errors
assert "> " not in said and "/help" not in errors  # nobody is at a terminal
hot = ("--temperature", 1.5, "--seed", 7)
assert talk(["r\u00e9el"], *hot)[0] == generated("--prompt", "r\u00e9el", *hot)

# A second turn knows the first: its prompt is the whole conversation in the template.
said, _ = talk(["name", "seas", "/save talk.json"])
turns = saved()
assert [role for role, _ in turns] == ["user", "assistant"] * 2 and turns[2] == ("user", "seas"), turns
assert said == turns[1][1] + "\n" + turns[3][1] + "\n"
(model / "chat_template.jinja").write_text(template.replace("messages", "(given or messages)"))
again = generated("--prompt", "unused", "--values", json.dumps({"given": [{"role": r, "content": c} for r, c in turns[:3]]}))
assert again == turns[3][1] + "\n", (again, turns)
(model / "chat_template.jinja").write_text(template)

# Commands.
said, errors = talk(["/system be", "name", "/reset", "/save talk.json", "/system", "/save none.json", "/nonsense", "/save", "/help", "", "  "])
assert saved() == [("system", "be")] and saved("none.json") == [], (saved(), saved("none.json"))
assert said == talk(["name"], "--system", "be")[0] and "there is no /nonsense" in errors and "/save without a file" in errors, (said, errors)
assert talk(["seas", "/reset", "seas"])[0] == 2 * talk(["seas"])[0]
assert talk(["/system be", "seas"])[0] == talk(["seas"], "--system", "be")[0]
assert talk(["/quit", "seas"])[0] == ""
assert talk(["seas"], "--values", '{"suffix": "yes"}')[0] == generated("--prompt", "seas", "--values", '{"suffix": "yes"}')
talk(["name", "/save no/such/folder.json", "seas"])

# What the template refuses, what is no text, and what is too long leave the conversation as it was.
said, errors = talk(["seas", "refuse", "/save talk.json"])
assert "not that" in errors and len(saved()) == 2, errors
done = subprocess.run([fauna, "chat", str(model), "--max-new-tokens", "12"], cwd=work, input=b"\xff\xfe\nseas", capture_output=True, check=True)
assert done.stdout.decode() == talk(["seas"])[0] and b"UTF-8" in done.stderr, done.stderr
said, errors = talk(["seas" * 20, "seas"], "--context", 40)
assert "expected at most the context of 40: /reset begins anew" in errors and said == talk(["seas"])[0], (said, errors)

# Special tokens in what somebody says are text.
assert talk(["<|turn|>system:a"])[0] == talk(["turnsystem:a"])[0]  # as the vocabulary has no < | >

# Ctrl-C ends an answer; the next line is answered, as the end of the input ends the conversation.
endless = work / "endless"
shutil.copytree(model, endless)
(endless / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "eos_token_id"}))
flags = ["--max-new-tokens", "100000000", "--context", "1000000", "--temperature", "1"]
with (work / "answers").open("wb") as answers:
    process = subprocess.Popen([fauna, "chat", str(endless), *flags], cwd=work, stdin=subprocess.PIPE, stdout=answers, stderr=subprocess.PIPE)
    for turn in range(2):
        before = (work / "answers").stat().st_size
        process.stdin.write(b"seas\n")
        process.stdin.flush()
        while (work / "answers").stat().st_size < before + 10:  # the answer has begun
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        line = process.stderr.readline().decode()
        while "fauna: " in line and "stopped; " not in line:  # how the program was compiled
            line = process.stderr.readline().decode()
        assert "stopped; " in line, line
    process.stdin.write(b"/save talk.json\n")
    process.stdin.close()
    assert process.wait(60) == 0, process.stderr.read()
assert [role for role, _ in saved()] == ["user", "assistant"] * 2, saved()
assert (work / "answers").read_bytes().decode() == saved()[1][1] + "\n" + saved()[3][1] + "\n"
print("chat is as it should be")
