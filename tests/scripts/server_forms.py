"""Checks of a server (tool_server.py): texts that are held to a form, and functions that they call."""
import json
import re

from serving import counts, end, streamed

# For JSON and regular expressions: signs, digits, letters that spell its words, and tokens that join them.
signs = ["<|end|>", "<|im_start|>", "<|im_end|>", "Ċ", "Ġ", "Ã", "©", *'{}[]",:-.01\\aeflnrstu', '":']


# For calls of functions: what Llama's shape and Qwen's are both spelt with.
calling = ["<|end|>", "<|im_start|>", "<|im_end|>", "Ċ", "Ġ", *'{}":,-01aceglmnorstu']


def function(name, **properties):
    return {"type": "function", "function": {"name": name, "description": "For a test.", "parameters": {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}}}


def fits(value, schema):
    """Does a value fit a schema, of the keywords that are used below?"""
    if "enum" in schema:
        return value in schema["enum"]
    if "anyOf" in schema:
        return any(fits(value, s) for s in schema["anyOf"])
    if schema["type"] == "object":
        named = schema["properties"]
        return (isinstance(value, dict) and set(schema["required"]) <= set(value) <= set(named) and
                [k for k in named if k in value] == list(value) and all(fits(v, named[k]) for k, v in value.items()))
    if schema["type"] == "array":
        return isinstance(value, list) and len(value) <= schema["maxItems"] and all(fits(v, schema["items"]) for v in value)
    if schema["type"] == "string":
        return isinstance(value, str) and len(value) <= schema["maxLength"]
    kind = {"integer": int, "boolean": bool, "null": type(None)}[schema["type"]]
    return type(value) is kind


def structured(server):
    """Whatever a random model draws is what was asked for, however it is drawn; what cannot be is refused."""
    path, drawn = "/v1/completions", {"prompt": "a", "max_tokens": 200, "temperature": 2, "n": 8}
    chosen = {"type": "object", "additionalProperties": False, "required": ["a", "es"], "properties": {
        "a": {"type": "integer"}, "l": {"type": "array", "maxItems": 3, "items": {"enum": ["ru", -1, None]}},
        "es": {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "boolean"}]}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": chosen}}
    seen = set()
    for seed in range(6):
        how = {"seed": seed, "logit_bias": {str(end): seed - 3}, "frequency_penalty": seed / 3, "temperature": seed % 3}
        for choice in server.ask(path, drawn | how | {"response_format": wanted})["choices"]:
            assert choice["finish_reason"] == "stop" and fits(json.loads(choice["text"]), chosen), choice
            seen.add(choice["text"])
    assert len(seen) > 20 and any("é" in t for t in seen) and any('"l":' in t.replace(" ", "") for t in seen), seen
    expression = "-?[01]{2,4}(\\.(é|e)+)?"
    texts = []
    for name in ("regex", "guided_regex"):
        choices = server.ask(path, drawn | {"seed": 1, name: expression})["choices"]
        assert all(re.fullmatch(expression, c["text"]) and c["finish_reason"] == "stop" for c in choices), choices
        texts.append([c["text"] for c in choices])
    assert texts[0] == texts[1] and len(set(texts[0])) > 3, texts
    assert streamed(server.stream(path, drawn | {"seed": 1, "regex": expression}), 3) == (texts[0][3], "stop")
    # Cut off, a text is the beginning of one; any object is an object.
    cut = server.ask(path, drawn | {"max_tokens": 3, "response_format": wanted})["choices"][0]
    assert cut["finish_reason"] == "length" and cut["text"].startswith('{"a'), cut
    ask = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 400, "temperature": 1, "seed": 5, "n": 8}
    ended = [c["message"]["content"] for c in server.ask("/v1/chat/completions", ask | {"response_format": {"type": "json_object"}})["choices"]
             if c["finish_reason"] == "stop"]
    assert ended and all(isinstance(json.loads(t), dict) for t in ended), ended
    # The distribution that is told is the model's own.
    told = [server.ask(path, {"prompt": "a", "max_tokens": 1, "temperature": 0, "logprobs": 3} | more)["choices"][0]["logprobs"]["top_logprobs"]
            for more in ({}, {"regex": "[01]{2}"})]
    assert told[0] == told[1], told

    def no(words, **fields):
        error = server.refused(path, drawn | fields, 400, list(fields)[-1])
        assert words in error["message"], error
    no("expected ')'", regex="(a")
    no("no text is allowed", regex="Q")  # which no token spells
    no("empty text alone", regex="()")
    no("a text", guided_regex=3)
    no("both say", regex="a", response_format={"type": "json_object"})
    for wrong in ({"type": "xml"}, "json_object", {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"name": "x"}}):
        no("response_format", response_format=wrong)
    no("'minimum' is not available here", response_format={"type": "json_schema", "json_schema": {"schema": {"type": "integer", "minimum": 3}}})
    deep = {}
    for _ in range(200):
        deep = {"items": deep}
    no("too deeply", response_format={"type": "json_schema", "json_schema": {"schema": deep}})
    plain = server.ask(path, drawn | {"seed": 2, "response_format": {"type": "text"}})["choices"]
    assert plain == server.ask(path, drawn | {"seed": 2})["choices"]


def calls(server, style):
    """A random model that must call a function does; a stream says the same; what was called goes back through the template."""
    path = "/v1/chat/completions"
    get, tell = function("get", a={"type": "integer"}, l={"enum": ["u", None]}), function("tell")
    ask = {"messages": [{"role": "user", "content": "a"}], "tools": [get, tell], "temperature": 1, "max_tokens": 1500}
    schema, seen = get["function"]["parameters"], []

    def check(message, names):
        assert message["content"] is None and message["tool_calls"], message
        for call in message["tool_calls"]:
            said = json.loads(call["function"]["arguments"])
            assert call["type"] == "function" and call["id"].startswith("call_") and call["function"]["name"] in names
            assert fits(said, schema) if call["function"]["name"] == "get" else said == {}, call
        seen.extend(call["id"] for call in message["tool_calls"])
        return [call["function"] for call in message["tool_calls"]]

    must = ask | {"tool_choice": "required", "n": 4, "seed": 3, "logit_bias": {str(end): -3}}
    wanted = [check(c["message"], ("get", "tell")) for c in server.ask(path, must)["choices"] if c["finish_reason"] == "tool_calls"]
    assert len(wanted) > 1 and len({json.dumps(w) for w in wanted}) > 1 and max(map(len, wanted)) > 1, wanted
    assert len(set(seen)) == len(seen)
    for only in ({"parallel_tool_calls": False}, {"tool_choice": {"type": "function", "function": {"name": "get"}}}):
        for choice in server.ask(path, must | only)["choices"]:
            made = check(choice["message"], ("get",) if "tool_choice" in only else ("get", "tell"))
            assert choice["finish_reason"] == "tool_calls" and len(made) == 1, choice
    # A stream: each call begins with its name, then come its arguments.
    chunks = [c["choices"][0] for c in server.stream(path, must | {"n": 1})]
    whole = server.ask(path, must | {"n": 1})["choices"][0]
    made = []
    for part in (p for c in chunks for p in c["delta"].get("tool_calls", ())):
        if "id" in part:
            assert part["index"] == len(made) and part["function"]["arguments"] == "" and part["type"] == "function", part
            made.append(dict(part["function"]))
        else:
            made[part["index"]]["arguments"] += part["function"]["arguments"]
    assert made == [c["function"] for c in whole["message"].get("tool_calls", [])], (made, whole)
    assert chunks[-1]["finish_reason"] == whole["finish_reason"] and not any(c["delta"].get("content") for c in chunks)
    # Cut off, a call is no call. Where none is asked for, the template hears of no tools.
    cut = server.ask(path, must | {"n": 1, "max_tokens": 12})["choices"][0]
    assert cut["finish_reason"] == "length" and "tool_calls" not in cut["message"] and cut["message"]["content"], cut
    assert cut["message"]["content"].startswith({"tagged": "<tool_call>\n{", "bare": '{"name": "'}[style][:12]), cut
    short = {k: v for k, v in ask.items() if k != "tools"} | {"max_tokens": 2, "temperature": 0}
    plain, without = server.ask(path, short), server.ask(path, short | {"tools": [get], "tool_choice": "none"})
    assert plain["choices"] == without["choices"] and counts(plain) == counts(without)
    read = server.ask(path, short | {"tools": [get]})
    assert read["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    told = short["messages"] + [{"role": "assistant", "content": None, "tool_calls": [
        {"id": "x", "type": "function", "function": {"name": "get", "arguments": '{"a": 1}'}}]}, {"role": "tool", "tool_call_id": "x", "content": "uu"}]
    assert server.ask(path, short | {"messages": told})["usage"]["prompt_tokens"] == plain["usage"]["prompt_tokens"] + 6  # get 1 uu
    # A form for what is said, beside calls.
    either = server.ask(path, ask | {"seed": 1, "n": 4, "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "null"}}}})
    assert all(c["message"]["content"] == "null" or c["message"]["tool_calls"] for c in either["choices"]), either
    server.refused(path, must | {"tools": [function("a", b={"type": "integer", "minimum": 1})]}, 400, "tools")
    server.refused(path, must | {"tool_choice": {"type": "function", "function": {"name": "b"}}}, 400, "tool_choice")
