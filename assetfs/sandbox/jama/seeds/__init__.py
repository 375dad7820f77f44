"""What a new sandbox holds: `empty` one fresh project, `demo` a small museum, `bench` much of everything."""
