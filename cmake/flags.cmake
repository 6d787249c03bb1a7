# Warnings are errors everywhere; release builds are hardened; sanitizers come from the preset.
add_compile_options(-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -Wpointer-arith -fno-strict-aliasing -fvisibility=hidden)
add_compile_definitions(_GNU_SOURCE TT_VERSION="${PROJECT_VERSION}")

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-O2 -g1 -fstack-protector-strong -fstack-clash-protection -fcf-protection
                      -D_FORTIFY_SOURCE=2 -fPIE -Wformat -Wformat-security)
  add_link_options(-pie -Wl,-z,relro,-z,now,-z,noexecstack)
  set(CMAKE_C_FLAGS_RELEASE "")
endif()

if(TT_SANITIZE)
  add_compile_options(-fsanitize=${TT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TT_SANITIZE})
endif()

if(TT_FUZZER)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(TT_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic) # threads count, too
  add_link_options(--coverage)
endif()
