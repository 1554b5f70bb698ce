# Headers, a package with one component a target, and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/fauna) # nothing in it depends on the processor
foreach(component IN ITEMS fauna cpu native cuda nccl mpi)
  set(target fauna_${component})
  if(component STREQUAL "fauna")
    set(target fauna)
  endif()
  if(TARGET ${target})
    install(TARGETS ${target} EXPORT fauna-${component})
    install(EXPORT fauna-${component} NAMESPACE fauna:: DESTINATION ${package_dir})
  endif()
endforeach()

configure_package_config_file(cmake/fauna-config.cmake.in fauna-config.cmake INSTALL_DESTINATION ${package_dir}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(fauna-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/fauna-config.cmake ${PROJECT_BINARY_DIR}/fauna-config-version.cmake
        DESTINATION ${package_dir})

configure_file(cmake/fauna.pc.in fauna.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/fauna.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/fauna)

# cpack -G DEB (or TGZ): the headers and the package files, for any processor.
set(CPACK_PACKAGE_NAME libfauna-dev)
set(CPACK_PACKAGE_VENDOR "The fauna authors")
set(CPACK_PACKAGE_CONTACT "The fauna authors <fauna@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libopenmpi-dev")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
include(CPack)
