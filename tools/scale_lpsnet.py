from paddleseg_lite.cli.main import main

if __name__ == "__main__":
    main("scale_lpsnet")
