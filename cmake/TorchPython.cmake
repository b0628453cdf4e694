# Sets HALVING_TORCH_PYTHON to a Python with PyTorch, or, when none is found, to one without. PyTorch
# may belong to another interpreter than the first one: Debian's modules are Debian's python3's.

find_package(Python3 3.9 COMPONENTS Interpreter REQUIRED)
find_program(HALVING_DEBIAN_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
foreach(candidate ${HALVING_DEBIAN_PYTHON} ${Python3_EXECUTABLE})
  execute_process(COMMAND ${candidate} -c "import torch"
                  RESULT_VARIABLE imports OUTPUT_QUIET ERROR_QUIET)
  set(HALVING_TORCH_PYTHON ${candidate})
  if(imports EQUAL 0)
    break()
  endif()
endforeach()
