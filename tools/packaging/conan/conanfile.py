"""fauna for Conan 2, of the checkout that this file is in:  conan create tools/packaging/conan"""
import pathlib
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy
from conan.tools.layout import basic_layout

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


class Fauna(ConanFile):
    name = "fauna"
    description = "A header-only C++20 zoo of language models: training, decoding, serving"
    license = "MIT"
    topics = ("language-models", "deep-learning", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def set_version(self):
        text = (CHECKOUT / "include/fauna/core/version.hpp").read_text(encoding="utf-8")
        self.version = ".".join(re.findall(r"#define FAUNA_VERSION_[A-Z]+ (\d+)", text))

    def export_sources(self):
        copy(self, "include/*", CHECKOUT, self.export_sources_folder)
        copy(self, "LICENSE", CHECKOUT, self.export_sources_folder)

    def layout(self):
        basic_layout(self)

    def package_id(self):
        self.info.clear()

    def validate(self):
        check_min_cppstd(self, 20)

    def package(self):
        copy(self, "LICENSE", self.source_folder, pathlib.Path(self.package_folder) / "licenses")
        for kind in ("*.hpp", "*.cuh"):
            copy(self, kind, pathlib.Path(self.source_folder) / "include", pathlib.Path(self.package_folder) / "include")

    def package_info(self):
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        self.cpp_info.set_property("cmake_file_name", "fauna")
        self.cpp_info.set_property("pkg_config_name", "fauna")
        headers, cpu = self.cpp_info.components["headers"], self.cpp_info.components["cpu"]
        headers.set_property("cmake_target_name", "fauna::fauna")
        cpu.set_property("cmake_target_name", "fauna::cpu")
        cpu.requires = ["headers"]
        if self.settings.compiler in ("gcc", "clang"):
            cpu.cxxflags = ["-fopenmp"]
            cpu.exelinkflags = cpu.sharedlinkflags = ["-fopenmp"]
        for part in (headers, cpu):
            part.bindirs = part.libdirs = []
