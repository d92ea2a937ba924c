"""ROS 2 nodes: thin lifecycle nodes over the library. Modules import without ROS; running one needs rclpy and the messages."""
