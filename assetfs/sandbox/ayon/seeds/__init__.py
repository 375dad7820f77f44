"""What a new sandbox holds: nothing but a project, a small show, or as much as measuring takes."""
