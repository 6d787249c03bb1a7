# The Debian package, written by scripts/package.sh: what "cmake --install" brings, and what Debian
# needs around it (packaging/debian). Libraries it depends on are found by dpkg-shlibdeps.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tidetalk)
set(CPACK_PACKAGE_VENDOR "TideTalk")
set(CPACK_PACKAGE_CONTACT "The TideTalk authors <tidetalk@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "chat server in C with an API in Lua")
set(CPACK_PACKAGE_DESCRIPTION
    "Stores users, sessions, messages and files, talks to any OpenAI-compatible model\n\
and streams replies. Its routes are Lua scripts that are reloaded while it runs.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION web)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
    "lua-cjson, poppler-utils, tzdata, ca-certificates, init-system-helpers")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "redis-server, postgresql")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(name postinst prerm postrm conffiles)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/debian/${name})
endforeach()

# Debian's places: what an administrator edits is below /etc, pages of the manual are compressed.
install(FILES packaging/tidetalk.yaml DESTINATION /etc/tidetalk COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES packaging/debian/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR}
        COMPONENT debian EXCLUDE_FROM_ALL)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
include(CPack)
