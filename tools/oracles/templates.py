#!/usr/bin/env python3
"""Writes tests/golden/templates/expected.json and expressions.json: what jinja2 makes of the templates there, set up as
transformers' apply_chat_template sets it up.

    tools/oracles/templates.py          needs PyPI's transformers and jinja2

The templates are ours: each has the constructs of a family of public models, and the conversations are made up.
expected.json has {template: [text or null for an error, for each conversation]}, and null texts where jinja2 refuses;
expressions.json has [[template, text or null], ...], rendered with the values in VALUES.
"""
import datetime
import json
import pathlib
import re

from transformers.utils.chat_template_utils import _cached_compile_jinja_template

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests/golden/templates"
NOW = datetime.datetime(2026, 3, 1, 14, 5, 9)
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "The weather of a city.", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "its \"name\""}, "days": {"type": "integer", "default": 1},
            "units": {"type": "string", "enum": ["°C", "°F"], "default": "°C"},
            "tags": {"type": "array", "items": {"type": "string"}}}}}},
    {"type": "function", "function": {"name": "noop", "description": "Nothing.", "parameters": {
        "type": "object", "properties": {}}}},
]
VALUES = {
    "s": "Hello, World", "t": "  a b\tc\n", "u": "Grüße, Ωmega Жук", "e": "", "n": 7, "m": -3, "x": 2.5, "z": 0,
    "yes": True, "no": False, "nil": None, "l": [3, 1, 2], "w": ["b", "A", "a", "C"], "el": [],
    "d": {"b": 1, "a": {"c": [1, None, 1.5]}, "items": "x"}, "ed": {},
    "q": [{"name": "p", "f": {"g": 2}}, {"name": "Q", "f": {"g": 1}}, {"name": "r"}],
    "j": {"k\"": "a\\b\n\u0001é\u2028</b>😀", "n": 1e16, "f": 1e-5, "i": 100.0, "t": True},
    "long": "one two three\nfour five\n\nsix",
}

# Parts with | between them, each of which is put between {{ and }}; a filter belongs to the part before it.
EXPRESSIONS = r"""
1|2|-3|1.0|1e3|1.5e-7|1e22|123456789.125|0.1+0.2|1e16|1e15|0.0001|0.00001|-0.0|1_000|1/2|7/2|7//2|-7//2|7//-2|-7//-2|7%3|-7%3|7%-3|7.5%2|-7.5%2|7.5//2|2**10|2**-1|2**0.5|-2**2|2**3**2|(-1)**3
1+2*3|(1+2)*3|n+m|n-m|n*m|-n|+n|--n|n/0|n//0|n%0|1.5+1|yes+1|yes+yes|'a'+'b'|'a'*3|3*'ab'|'a'*-1|[1]+[2]|[1,2]*2|(1,)+(2,)|'a'+1|1+'a'|[1]+(2,)|nil+1|none_such+1|'a'-'b'
1==1|1==1.0|1==yes|'a'=='a'|'a'=='b'|[1]==[1]|[1]==(1,)|{'a':1}=={'a':1.0}|nil==none|none_such==other|1!=2|1<2|2<1|1<=1|'a'<'b'|'B'<'a'|[1,2]<[1,3]|1<2<3|1<3<2|3>2>=2|1<'a'|'é'>'z'|1 in l|5 in l|'a' in d|'z' in d|'ell' in s|'x' not in s|1 in s|nil in [none]|not 1 in l|not yes|not not e
yes and no|1 and 2|0 and 2|1 or 2|0 or ''|e or 'x'|nil or z or 'last'|yes and not no|no or yes and no|'a' if yes else 'b'|'a' if no else 'b'|'a' if no|('a' if no) is undefined|1 if no else 2 if no else 3|'x' if s and l
s|s~1~nil~yes|'a'~1.5|1~2|e~e|none_such|none_such~'x'|none_such.a|none_such['a']|d.nope|d.nope.x|d.a.c|d['a']['c'][0]|d.items|d['items']|d.a['c'].1|l.0|l[0]|l[-1]|l[9]|l['a']|s[0]|s[-1]|s[99]|u[2]|u[-4]|(1,2)[1]|{'a':1}.a|{1:'x'}[1]|{1:'x',1.0:'y'}|n.real_part|nil.x|loop|''.x
s[1:3]|s[:3]|s[3:]|s[-3:]|s[::-1]|s[::2]|s[5:1]|s[1:99]|u[1:4]|u[::-1]|l[1:]|l[:-1]|l[::-1]|l[5:]|l[::-2]|(1,2,3)[1:]|l[0:2:1]|l[::0]|d[1:]|nil[1:]|s[nil:2]|s['a':]
[1,'a',none,true,1.5]|(1,)|()|(1,2)|[]|{}|{'a':[1,{'b':(1,)}]}|['it\'s']|['say "x"']|["it's \"x\""]|['a\nb\\c']|['\x01é']|[none_such]|{'k':none_such}|[1,]|{'a':1,}|1,2
s.upper()|s.lower()|u.upper()|u.lower()|s.title()|"it's a bIG day".title()|'hELLO wORLD'.capitalize()|t.strip()|t.lstrip()|t.rstrip()|'xxaxx'.strip('x')|'xyaxy'.strip('yx')|'xxa'.lstrip('x')|'axx'.rstrip('x')|t.strip(none)|s.split()|s.split(',')|s.split(', ')|t.split()|'a  b c '.split()|'a  b c '.split(' ')|'a b c'.split(' ',1)|' a b  c '.split(none,1)|'a b c'.rsplit(' ',1)|' a b  c '.rsplit(none,1)|'a,b,c'.rsplit(',')|'a,b'.split('')|'abc'.split('x')|''.split()|''.split(',')|long.split('\n')|long.splitlines()|'a\r\nb\rc'.splitlines()|'a\n'.splitlines(true)
s.startswith('He')|s.startswith(('x','H'))|s.endswith('ld')|s.endswith('x')|s.startswith(1)|s.replace('l','L')|s.replace('l','L',1)|'aaa'.replace('a','b',-1)|'abc'.replace('','-')|''.replace('','x')|'é'.replace('','-')|s.find('o')|s.rfind('o')|s.find('zz')|u.find('Ω')|s.index('W')|s.index('zz')|s.count('l')|s.count('')|'-'.join(['a','b'])|'-'.join('abc')|''.join([])|','.join([1])|'1'.isdigit()|''.isdigit()|'a1'.isalnum()|'ab'.isalpha()|' \n'.isspace()|'AB'.isupper()|'aB'.isupper()|'1'.islower()|'ab1'.islower()
'ab'.center(7)|'ab'.center(6,'*')|'abc'.center(6,'*')|'ab'.ljust(5,'.')|'ab'.rjust(5)|'{} and {}'.format(1,'x')|'{1}{0}'.format('a','b')|'{a}'.format(a=2)|'{{}}'.format()|'{}'.format()|'abc'.removeprefix('a')|'abc'.removesuffix('x')|s.nope()|s.upper(1)|'%s is %d'%('x',3)|'%5.2f|'%x|'%05d'%n|'%-5s|'%'a'|'%5s|'%'é'|'%x %X %o'%(255,255,8)|'%%'%()|'%r'%'a'|'%e'%12345.678|'%g'%0.00001|'%+d'%3|'%s'%1.0|'%d'%2.9|'%s %s'%'a'|'%s'%('a','b')|'%.2s'%'abc'|'%03d'%-5
d.keys()|list|d.values()|list|d.items()|ed.items()|d.get('b')|d.get('zz')|d.get('zz',5)|d.get('b',5)|d|length|d.keys()|{'a':1}.items()|list|ed.keys()|list|l.index(2)|l.index(9)|l.count(1)|l.append(4)|d.update({})|l.append is defined|l.copy()|d.copy()|ed.pop('x')
s|upper|s|lower|u|upper|'straße'|upper|s|title|'foo-bar (baz) qu'|title|"it's"|title|s|capitalize|t|trim|'xax'|trim('x')|s|length|u|length|l|length|d|length|5|length|nil|length|none_such|length|s|count|e|length|n|string|[1]|string|nil|string|none_such|string
l|join|l|join(', ')|w|join('-')|q|join(',',attribute='name')|'abc'|join('.')|[1,none,true]|join(' ')|none_such|join|l|join(1)|l|first|el|first|l|last|el|last|s|first|s|last|d|first|el|first is undefined|l|list|'ab'|list|d|list|none_such|list|5|list|l|reverse|list|s|reverse|(1,2)|list
none_such|default('x')|nil|default('x')|e|default('x')|e|default('x',true)|nil|default('x',boolean=true)|none_such|d(1)|none_such|default|d.nope|default('q')|z|default(1,true)
l|sort|w|sort|w|sort(case_sensitive=true)|l|sort(reverse=true)|w|sort(reverse=true)|q|sort(attribute='name')|map(attribute='name')|list|q[:2]|sort(attribute='f.g')|map(attribute='name')|list|[1,'a']|sort|q[:2]|sort(attribute='f.g,name')|length|d|dictsort|{'b':1,'A':2,'a':0}|dictsort|{'b':1,'A':2}|dictsort(case_sensitive=true)|{'b':1,'a':2}|dictsort(by='value')|{'b':1,'a':2}|dictsort(by='value',reverse=true)|{'b':1}|dictsort(by='x')|l|dictsort
w|unique|list|w|unique(case_sensitive=true)|list|[1,1.0,true,2]|unique|list|l|min|l|max|w|min|w|max|el|min|q[:2]|max(attribute='f.g')|l|sum|q[:2]|sum(attribute='f.g')|el|sum|l|sum(start=10)|l|map('string')|join('+')|w|map('upper')|list|q|map(attribute='name')|join|q|map(attribute='f.g',default=0)|list|q|map(attribute='f')|list|q|map('nope')|list|[' a ']|map('trim')|first|[['a']]|map('join')|list|w|map('replace','a','x')|list|l|map('string')|length
l|select('odd')|list|l|reject('odd')|list|l|select('greaterthan',1)|list|[0,1,'',none]|select|list|[0,1,'']|reject|list|q|selectattr('f')|map(attribute='name')|list|q|rejectattr('f')|map(attribute='name')|list|q|selectattr('name','equalto','r')|list|length|q|selectattr('f','defined')|list|length|q|selectattr('f.g','defined')|list|length|q|rejectattr('name','in',['p','r'])|map(attribute='name')|join|q|selectattr('name','==','p')|first|l|select('nope')|list|l|select|length|(l|select('none') and 'true') or 'false'
s|replace('l','L')|s|replace('l','L',1)|n|replace('7','8')|'a\nb'|indent|'a\nb\n\nc'|indent(2)|'a\nb\n\nc'|indent(2,true)|'a\n\nb'|indent(2,blank=true)|'a\nb'|indent('> ')|'a\n'|indent(2)|'12'|int|' 12 '|int|'1.9'|int|'x'|int|'x'|int(5)|2.9|int|-2.9|int|yes|int|nil|int|none_such|int|none_such|float|'0x1'|int|'12'|float|'x'|float|'x'|float(1.5)|'1e3'|float|3|float|nil|float
-3|abs|(-3)|abs|-2.5|abs|2.5|round|3.5|round|2.675|round(2)|2.5|round(method='ceil')|2.51|round(1,'floor')|7|round|2.345|round(1)|'x'|round|s|safe|'<b>'|safe|d|items|list|none_such|items|list|l|items|'%s-%s'|format('a',1)|'<&>'|string
d|tojson|j|tojson|l|tojson|s|tojson|u|tojson|nil|tojson|yes|tojson|x|tojson|[]|tojson|{}|tojson|(1,2)|tojson|{1:2,none:3,true:4,1.5:5}|tojson|d|tojson(indent=2)|[[],{},[1]]|tojson(indent=4)|d|tojson(indent=0)|[1,2]|tojson(separators=(',',':'))|{'a':1,'b':2}|tojson(separators=(',',': '),indent=1)|{'b':1,'a':2}|tojson(sort_keys=true)|u|tojson(ensure_ascii=true)|j|tojson(ensure_ascii=true)|none_such|tojson|[none_such]|tojson|[1e300*1e10]|tojson|d|tojson(ensure_ascii=false)|l|map('string')|tojson
s is defined|none_such is defined|none_such is undefined|d.nope is defined|nil is none|e is none|s is string|n is string|d is mapping|l is mapping|l is iterable|s is iterable|n is iterable|none_such is iterable|l is sequence|d is sequence|s is sequence|n is sequence|(1,2) is sequence|n is number|x is number|yes is number|s is number|n is integer|yes is integer|x is float|n is float|yes is boolean|n is boolean|yes is true|1 is true|no is false|z is false|nil is false|n is odd|n is even|n is divisibleby 7|n is divisibleby(2)|2.0 is even|s is odd
n is eq 7|n is equalto 7|n is ne 7|n is lt 8|n is gt 8|n is le 7|n is ge 8|n is lessthan 8|n is greaterthan 8|1 is in l|9 is in l|'a' is in 'abc'|1 is not in l|nil is not none|s is not defined|not s is defined|yes is sameas true|1 is sameas true|l is sameas l|[] is sameas []|'ab' is lower|'AB' is upper|'aB' is lower|range is callable|n is callable|s is nope|n is eq|1 is eq(1)|1 is eq 1 and 2 is eq 2|'a' is string and n is number|x is defined and x is not none|('a' is string)|l is defined == true
range(3)|list|range(1,4)|list|range(5,0,-2)|list|range(0)|list|range(3)|length|range(3)[1]|range(200000)|length|range(1,2,0)|list|range('a')|dict(a=1)|dict({'a':1},b=2)|dict([('a',1)])|dict()|namespace(a=1).a|namespace({'b':2}).b|namespace().x|raise_exception('no')|strftime_now('%Y-%m-%d')|strftime_now('%d %b %Y')|strftime_now('%A, %B %-d %H:%M:%S')|strftime_now('')
'a' 'b'|'\x41\u00e9\n\t\\'|'\q'|"a'b"|'a\'b'|'\101'|'é'|"\U0001F600"|'a
b'|s|upper|lower|title|(s|upper)|length|-1|string|1.|1.a|s.|s|nope|s is|{|(1|[1,|{'a'|'a|s..x|1 2|a b|@|s|join(|{{1}}|s if|not|*|l[|l[1|f(x=1, 2)|s.upper(|none = 1
""".strip()

TEMPLATES = r"""
{% if yes %}a{% endif %}
{% if no %}a{% elif z %}b{% elif n %}c{% else %}d{% endif %}
{% if no %}a{% else %}b{% endif %}
{% for i in l %}{{ i }},{% endfor %}
{% for i in el %}{{ i }}{% else %}none{% endfor %}
{% for i in l %}{{ i }}{% else %}none{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}
{% for k in d %}{{ k }};{% endfor %}
{% for c in s %}{{ c }}.{% endfor %}
{% for i in none_such %}x{% else %}none{% endfor %}
{% for i in nil %}x{% endfor %}
{% for i in 5 %}x{% endfor %}
{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }};{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for (a, b) in [(1, 2)] %}{{ a }}{% endfor %}
{% for i in l if i > 1 %}{{ loop.index }}:{{ i }};{% endfor %}
{% for i in l if i > 5 %}x{% else %}none{% endfor %}
{% for i in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}
{% for i in l %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }};{% endfor %}
{% for i in l %}{% if loop.previtem is defined %}p{% endif %}{% if loop.nextitem is not defined %}n{% endif %}{% endfor %}
{% for i in l %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% for i in [1, 1, 2] %}{% if loop.changed(i) %}{{ i }}{% endif %}{% endfor %}
{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.depth }}{{ i }}{{ j }};{% endfor %}{{ loop.depth0 }}{% endfor %}
{% for i in l %}{% if i == 1 %}{% continue %}{% endif %}{{ i }}{% endfor %}
{% for i in l %}{% if i == 1 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% break %}
{% for i in range(3) %}{% set x = i %}{% endfor %}{{ x }}
{% set y = 1 %}{% for i in l %}{{ y }}{% set y = i %}{{ y }}{% endfor %}{{ y }}
{% if yes %}{% set y = 5 %}{% endif %}{{ y }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}
{% set a, b = [1] %}{{ a }}
{% set (a, b) = (1, 2) %}{{ b }}
{% set x = 1, 2 %}{{ x }}
{% set x = 1 if no else 2 %}{{ x }}
{% set x %}a{{ n }}b{% endset %}{{ x }}{{ x|length }}
{% set x | upper | trim %} abc {% endset %}[{{ x }}]
{% set x %}{% set inner = 1 %}{% endset %}{{ inner is defined }}
{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns.c }}
{% set ns = namespace(found=false) %}{% for i in l %}{% if i == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.found }}
{% set ns = namespace() %}{% set ns.l = [] %}{% for i in l %}{% set ns.l = ns.l + [i * 2] %}{% endfor %}{{ ns.l }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set d.b = 2 %}
{% set nope.b = 2 %}
{% set ns = namespace(a=1) %}{{ ns['a'] }}
{% set true = 1 %}
{% macro f(a, b=2) %}{{ a }}-{{ b }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(b=4, a=5) }}{{ f() }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(c=2) }}
{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 'a', k=2) }}
{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(3) }}
{% macro f(a=1, b) %}{% endmacro %}
{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}in {{ n }}{% endcall %}
{% macro f(l) %}{% for i in l %}{{ caller(i) }};{% endfor %}{% endmacro %}{% call(x) f([1, 2]) %}{{ x * 2 }}{% endcall %}
{% macro f() %}{% endmacro %}{% call f() %}x{% endcall %}
{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f() %}{{ g }}{% endmacro %}{% set g = 7 %}{{ f() }}
{% macro f() %}{% set g = 1 %}{% endmacro %}{{ f() }}{{ g is defined }}
{% macro f(x) %}  {{ x }}  {% endmacro %}[{{ f('a') | trim }}]
{% filter upper %}a{{ s }}b{% endfilter %}
{% filter replace('a', 'b') | upper %}banana{% endfilter %}
{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}
{% with %}{% set a = 3 %}{{ a }}{% endwith %}{{ a is defined }}
{% raw %}{{ x }}{% if %}{% endraw %}!
a{# comment {{ x }} #}b
a {#- c -#} b
  {# c #}⏎x
{% generation %}g{{ n }}{% endgeneration %}|
{% generation %}{% set v = 1 %}{% endgeneration %}{{ v is defined }}
  {% if yes %}⏎  a⏎  {% endif %}⏎b
a  {%- if yes -%}  b  {%- endif -%}  c
a⏎  {%+ if yes %}  b⏎  {%+ endif +%}⏎c
a {{- ' x ' -}} b
⏎  {{ n }}⏎ {{ n }}⏎{{ n }}⏎
x {% if yes %} y {% endif %} z
{% if yes %}⏎⏎a⏎{% endif %}
x⏎{%- for i in l -%}⏎  {{ i }}⏎{%- endfor -%}⏎y
{% for i in l -%}⏎  {{ i }}⏎{% endfor %}
{% for i in l %}⏎  {{- i }}⏎{% endfor %}
{{ 'a' }}{# x #}⏎{{ 'b' }}
{{ {'a': {'b': 1}} }}
{{ {'a': {'b': 1}}['a']['b'] }}
{% set x = {'a': [1, {'b': 2}]} %}{{ x.a[1].b }}
{{ s -}}⏎   x⏎{%- set x = 1 -%}⏎{{ x }}⏎⏎
{{ l[0] if l else 'no' }}{{ 'x' if not l }}
{{ '{{' }}{{ '%}' }}
{% if n %}a
{% for i in l %}a
{% endif %}
{% else %}
{% raw -%}⏎ a {{ b }}⏎  {%- endraw %}⏎ c
{% raw %}⏎ a⏎  {% endraw %}⏎c
a⏎  {%- raw %} b {% endraw -%}  c
	{% if yes %}	x{% endif %}⏎	{# c #}	y
a\r⏎{% if yes %}\r⏎b{% endif %}\rc
  {% set x = 1 %}  {% set y = 2 %}⏎{{ x }}{{ y }}
{% nope %}
{% include 'x' %}
{% set %}
{% for in l %}{% endfor %}
{% for i of l %}{% endfor %}
{% if %}{% endif %}
{% macro %}{% endmacro %}
{{ f(*[1, 2], **{'c': 3}) }}
{% macro f(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(*[1, 2], **{'c': 3}) }}
{{
{{ s
{% if yes
{# open
{{ s⏎ | upper⏎ }}x
{%⏎ if yes⏎%}⏎z{% endif⏎%}⏎
{% raw %} open
{{ s }}}
}}%}{
{ {{ n }} }
{%if yes%}tight{%endif%}
{{s}}{{n}}
{{ [1,2,3][1:] | join('-') ~ '!' }}
{{ 'a,b'.split(',')[-1] }}{{ 'x</think>y'.split('</think>')[0].rstrip('\n').split('<think>')[-1] }}
{{ (q | selectattr('name', 'equalto', 'p') | list)[0].f.g }}
{% set r = q | map(attribute='name') | list %}{{ r[-1] }}{{ r | length }}
{{ none_such.x.y is defined }}
{{ d.nope is defined and d.nope.x }}
{{ l | select('odd') | first }}{{ (l | map('string')) is sequence }}{{ (l | map('string')) is iterable }}
{% set g = l | map('string') %}{{ g | join }}{{ g | join }}
{{ loop is defined }}
{% for i in l %}{{ loop }}{% endfor %}
{% for i in d.items() %}{{ i }}{% endfor %}
{% for m in q[::-1] %}{{ m.name }}{% endfor %}
{% for k, v in d | dictsort %}{{ k }}{% endfor %}
{% for k, v in d | items %}{{ k }}{% endfor %}
{% set x = '' %}{% for c in 'ab' %}{% set x = x + c %}{% endfor %}[{{ x }}]
a{% if yes %}⏎b{% endif %}⏎c
"""


def environment_values():
    return {**VALUES, "strftime_now": NOW.strftime}


def rendered(template, values):
    """The text, or None where jinja2 refuses."""
    try:
        text = _cached_compile_jinja_template(template).render(**values)
    except Exception:  # whatever a template does wrong in Python
        return None
    return None if re.search(" at 0x[0-9a-f]+>", text) else text  # an object without a text of its own


def expressions():
    """Parts between |, of which one that begins with a filter's name is a filter of what stands before it."""
    all_ = []
    for line in EXPRESSIONS.replace("'a\nb'|s", "'a\\nb'|s").split("\n"):
        for part in line.split("|"):
            if re.match(rf"({FILTERS})(\b(?! =)|(?<=\())", part) and all_:
                all_[-1] += "|" + part
            else:
                all_.append(part)
    return ["{{ " + e + " }}" for e in dict.fromkeys(all_)]


FILTERS = ("upper|lower|title|capitalize|trim|length|count|string|join|first|last|list|reverse|default|d\\(|sort|dictsort|"
           "unique|min|max|sum|map|select|selectattr|reject|rejectattr|replace|indent|int|float|abs|round|safe|items|"
           "format|tojson|nope")


def templates():
    """Lines are templates, in which these two stand for line breaks."""
    return [line.replace("⏎", "\n").replace("\\r", "\r") for line in TEMPLATES.strip("\n").split("\n")]


def conversations():
    """The values of each conversation. TOOLS stands for the tools above; what is absent is as apply_chat_template has it."""
    all_ = json.loads((FOLDER / "conversations.json").read_text(encoding="utf-8"))
    for values in all_:
        values["tools"] = TOOLS if values.get("tools") == "TOOLS" else None
        values.setdefault("documents", None)
    return [{**v, "bos_token": "<s>", "eos_token": "</s>"} for v in all_]


def main():
    rows = {f.stem: [rendered(f.read_text(encoding="utf-8"), {**c, "strftime_now": NOW.strftime}) for c in conversations()]
            for f in sorted(FOLDER.glob("*.jinja"))}
    lines = [json.dumps(c, ensure_ascii=False) for c in conversations()]
    texts = [json.dumps(name) + ": " + json.dumps(row, ensure_ascii=False) for name, row in rows.items()]
    (FOLDER / "expected.json").write_text('{"conversations": [\n' + ",\n".join(lines) + '],\n"texts": {\n' +
                                          ",\n".join(texts) + "}}\n", encoding="utf-8")
    print(len(rows), "templates,", sum(t is None for r in rows.values() for t in r), "conversations refused")
    table = [[t, rendered(t, environment_values())] for t in expressions() + templates()]
    lines = [json.dumps(row, ensure_ascii=False) for row in table]
    (FOLDER / "expressions.json").write_text(
        '{"values": ' + json.dumps(VALUES, ensure_ascii=False) + ',\n"cases": [\n' + ",\n".join(lines) + "\n]}\n",
        encoding="utf-8")
    print(len(table), "expressions,", sum(r[1] is None for r in table), "refused")


main()
