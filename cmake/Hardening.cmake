# What ships is hardened, and says nothing of where and when it was built. Sanitizer builds are left
# as they are: they find more by themselves, and FORTIFY_SOURCE hides calls from them.

if(HALVING_SANITIZE)
  return()
endif()
include(CheckCXXCompilerFlag)

# Whoever packages may have set it already, to another level.
set(optimised "$<NOT:$<CONFIG:Debug>>")
add_compile_options(
  "$<$<AND:${optimised},$<COMPILE_LANGUAGE:C,CXX>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=2>"
  -fstack-protector-strong)
# Of this processor or compiler only.
foreach(flag -fstack-clash-protection -fcf-protection)
  string(MAKE_C_IDENTIFIER "HALVING_HAS${flag}" known)
  check_cxx_compiler_flag(${flag} ${known})
  if(${known})
    add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:${flag}>)
  endif()
endforeach()
# Position independent programs. Shared libraries are so by themselves, in another way.
set(type $<TARGET_PROPERTY:TYPE>)
add_compile_options(
  $<$<OR:$<STREQUAL:${type},EXECUTABLE>,$<STREQUAL:${type},STATIC_LIBRARY>>:-fPIE>)
add_link_options($<$<STREQUAL:${type},EXECUTABLE>:-pie>
                 -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

# Paths count from the source or the build folder, whether ccache has made them relative or not. Of
# several that fit, the last one is taken.
file(RELATIVE_PATH upward ${CMAKE_BINARY_DIR} ${PROJECT_SOURCE_DIR})
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${upward}=
                    -ffile-prefix-map=${CMAKE_BINARY_DIR}/=)
