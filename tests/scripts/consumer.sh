#!/usr/bin/env bash
# consumer.sh KIND SOURCE BUILD WORK CXX: builds tests/consumers in the folder WORK as KIND of project, and runs it.
#   find_package, pkg_config    against an installation of BUILD
#   add_subdirectory, fetch_content, include_path, single_header    against SOURCE
set -euo pipefail
kind=$1 source=$2 build=$3 work=$4 cxx=$5
consumers=$source/tests/consumers
rm -rf "$work"
mkdir -p "$work"
# The environment of a consumer holds none of our flags.
unset CXXFLAGS CPATH CPLUS_INCLUDE_PATH

install() { cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"; }
configure() {
  cmake -G Ninja -S "$consumers/$kind" -B "$work/build" "-DCMAKE_CXX_COMPILER=$cxx" \
    "-DCMAKE_CXX_COMPILER_LAUNCHER=$source/tools/cached" "$@"
}
# program FLAG...: main.cpp as a program, run. In two commands: a compiler cache knows objects.
program() {
  "$source/tools/cached" "$cxx" "$@" "${warnings[@]}" -c "$consumers/main.cpp" -o "$work/consumer.o"
  "$cxx" "$@" "$work/consumer.o" -o "$work/consumer"
  "$work/consumer"
}
# Warnings in a consumer's own compilation are its own, and must not come from the headers.
warnings=(-Wall -Wextra -Wpedantic -Wconversion -Werror)

case $kind in
  find_package)
    install
    configure "-DCMAKE_PREFIX_PATH=$work/prefix"
    cmake --build "$work/build"
    "$work/build/plain"
    "$work/build/consumer"
    ;;
  add_subdirectory | fetch_content)
    configure "-DFAUNA_DIR=$source"
    cmake --build "$work/build"
    "$work/build/consumer"
    ;;
  pkg_config)
    install
    flags=$(PKG_CONFIG_PATH=$work/prefix/share/pkgconfig pkg-config --cflags --libs fauna)
    # shellcheck disable=SC2086
    program $flags
    ;;
  include_path)
    program -std=c++20 "-I$source/include"
    ;;
  single_header)
    "$source/tools/amalgamate" "$work/fauna/fauna.hpp"
    program -std=c++20 "-I$work"
    ;;
  *) echo "consumer.sh: unknown kind '$kind'" >&2 && exit 2 ;;
esac
