"""What a new sandbox holds: `empty` users with nothing but their homes, `demo` a medical library, `bench` much."""
