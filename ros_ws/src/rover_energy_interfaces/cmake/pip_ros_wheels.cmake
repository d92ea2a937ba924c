# Included by CMAKE_PROJECT_INCLUDE when this package is built against ROS 2 from wheels; a normal ROS 2 workspace never
# reads it.
#
# The wheels install their ament prefix into the Python prefix, and their exported targets name include folders of the
# machine that built them. So: point ament at that prefix, and drop from imported targets the folders that do not exist.

# pip names the interpreter; under colcon it is the one on the PATH.
if(Python3_EXECUTABLE)
  set(_python "${Python3_EXECUTABLE}")
elseif(Python_EXECUTABLE)
  set(_python "${Python_EXECUTABLE}")
else()
  set(_python python3)
endif()
execute_process(
  COMMAND "${_python}" -c "import pathlib, rosidl_adapter; print(pathlib.Path(rosidl_adapter.__file__).resolve().parents[4].as_posix())"
  OUTPUT_VARIABLE _ros_prefix OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
list(PREPEND CMAKE_PREFIX_PATH "${_ros_prefix}")
set(ENV{AMENT_PREFIX_PATH} "${_ros_prefix}")

function(rover_energy_drop_missing_include_folders)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(folders ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT folders)
      continue()
    endif()
    set(kept "")
    foreach(folder IN LISTS folders)
      if(folder MATCHES "^\\$<" OR EXISTS "${folder}")
        list(APPEND kept "${folder}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

cmake_language(DEFER CALL rover_energy_drop_missing_include_folders)
