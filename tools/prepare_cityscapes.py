from paddleseg_lite.cli.prepare_cityscapes import main

if __name__ == "__main__":
    main()
