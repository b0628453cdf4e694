# Every target of ours is made here, so that each gets the same warnings and include root.

set(HALVING_WARNINGS -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual
                     -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND HALVING_WARNINGS -Wthread-safety -Wthread-safety-beta)
endif()
if(HALVING_WERROR)
  list(APPEND HALVING_WARNINGS -Werror)
endif()

function(halving_settings target)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
  target_compile_options(${target} PRIVATE ${HALVING_WARNINGS})
endfunction()

# halving_library(name SOURCES ... DEPS ...)
function(halving_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  halving_settings(${name})
endfunction()

# halving_program(name SOURCES ... DEPS ...)
function(halving_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  halving_settings(${name})
endfunction()

# halving_not_fuzzed(target ...): libraries and programs that no fuzzer links. Where fuzzers are built
# these are compiled only so that clang checks their locks, and nobody runs them: sanitizers and
# optimisation would cost most of the time and find nothing. A fuzzer that links one is an error.
function(halving_not_fuzzed)
  if(HALVING_FUZZ)
    foreach(target ${ARGN})
      target_compile_options(${target} PRIVATE -fno-sanitize=all -O0 -g0)
      set_target_properties(${target} PROPERTIES
        INTERFACE_HALVING_NOT_FUZZED ON COMPATIBLE_INTERFACE_BOOL HALVING_NOT_FUZZED)
    endforeach()
  endif()
endfunction()

# halving_computes(target): where the tests spend their time. The asan preset has -Og, which compiles a
# third faster than -O1, since -O1 inlines the sanitizers' checks together with what they check; here
# it would make the tests slower.
function(halving_computes target)
  if(HALVING_SANITIZE)
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# halving_test(name SOURCES ... DEPS ...): a GoogleTest program, each of its cases a ctest test.
function(halving_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  halving_settings(${name})
  # Tests keep their folder apart, so that nobody finds them beside the programs.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  # Values of parameters are no good names: some print as addresses, which differ from run to run.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST NO_PRETTY_VALUES PROPERTIES TIMEOUT 120)
endfunction()
